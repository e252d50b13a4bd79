// Vectors times a mask that JavaScript owns, float32 [N][C] (dropout).
#include "one-input.h"

namespace knack::cpu {

namespace {

class Mask final : public OneInput {
 public:
  Mask(Program& program, Value& input, Value& output, const float* mask)
      : OneInput(program, input, output), mask_(mask) {}

  const char* kind() const override { return "mask"; }
  void forward() override { multiply(input_.data, output_.data); }

 protected:
  void passBack() override { multiply(gradient_, share_); }

 private:
  void multiply(const Buffer* from, Buffer* to) const {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      for (int64_t i = 0; i < input_.n * input_.c; ++i) at<T>(to)[i] = fromFloat<T>(toFloat(at<T>(from)[i]) * mask_[i]);
    });
  }

  const float* mask_;
};

const Registration mask("mask", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  return std::make_unique<Mask>(read.program(), input, output, read.floats("mask", input.n * input.c));
});

}  // namespace

}  // namespace knack::cpu
