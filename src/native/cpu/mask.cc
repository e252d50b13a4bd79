// Vectors times a mask that JavaScript owns, float32 [N][C] (dropout).
#include "reader.h"

namespace knack::cpu {

namespace {

class Mask final : public Operation {
 public:
  Mask(Program& program, Value& input, Value& output, const float* mask)
      : program_(program), input_(input), output_(output), mask_(mask) {
    output.needsGradient = input.needsGradient;
  }

  const char* kind() const override { return "mask"; }
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
  void forward() override { multiply(input_.data, output_.data); }
  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    multiply(gradient_, share_);
  }

 private:
  void multiply(const Buffer* from, Buffer* to) const {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      for (int64_t i = 0; i < input_.n * input_.c; ++i) at<T>(to)[i] = fromFloat<T>(toFloat(at<T>(from)[i]) * mask_[i]);
    });
  }

  Program& program_;
  Value& input_;
  Value& output_;
  const float* mask_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
};

const Registration mask("mask", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  return std::make_unique<Mask>(read.program(), input, output, read.floats("mask", input.n * input.c));
});

}  // namespace

}  // namespace knack::cpu
