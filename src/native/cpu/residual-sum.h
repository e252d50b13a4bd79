// A residual that oneDNN adds to a convolution's result: it lies in the result's place before.
#pragma once

#include <cstring>

#include "program.h"

namespace knack::cpu {

class ResidualSum {
 public:
  // To be called before the output's memory is planned. @param residual null where there is none
  void plan(Program& program, Value* residual, const Value& input, Value& output, int moment) {
    if (!residual) return;
    program.read(*residual, moment);
    // The sum is made in the residual's place where nobody reads it later, nor the convolution itself.
    if (residual->lastRead == moment && residual != &input) output.data = residual->data;
    else copied_ = residual;
  }

  // To be called before the convolution.
  void prepare(const Program& program, const Value& output) const {
    if (copied_) std::memcpy(output.data->address, copied_->data->address, program.bytesOf(output));
  }

 private:
  const Value* copied_ = nullptr;
};

}  // namespace knack::cpu
