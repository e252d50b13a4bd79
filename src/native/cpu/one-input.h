// What operations share that make one output of one input and keep nothing of the forward pass.
#pragma once

#include "reader.h"

namespace knack::cpu {

class OneInput : public Operation {
 public:
  OneInput(Program& program, Value& input, Value& output) : program_(program), input_(input), output_(output) {
    output.needsGradient = input.needsGradient;
  }

  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
  }

  void planBackward(int moment) override {
    if (!input_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (gradient_) share_ = program_.addGradient(input_, moment);
  }

  void bind() override {}

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    passBack();
  }

 protected:
  // Computes the input's share of the gradient from the output's whole one.
  virtual void passBack() = 0;

  Program& program_;
  Value& input_;
  Value& output_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
};

}  // namespace knack::cpu
