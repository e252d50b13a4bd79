// Sums of two activations of uint8, each of a grid of its own, that no convolution has made.
#include "int8.h"

namespace knack::cpu {

namespace {

class Int8Addition final : public Int8Operation {
 public:
  Int8Addition(Program& program, Value& a, Value& b, Value& output, const ScaledSum& sum)
      : Int8Operation(program), a_(a), b_(b), output_(output), sum_(sum) {}

  const char* kind() const override { return "addition"; }
  void planForward(int moment) override {
    program_.read(a_, moment);
    program_.read(b_, moment);
    program_.write(output_, moment);
  }
  void forward() override {
    const auto *a = at<const uint8_t>(a_.data), *b = at<const uint8_t>(b_.data);
    auto* y = at<uint8_t>(output_.data);
    inParts(program_.bytesOf(output_), 1, [&](size_t first, size_t last) { addScaled(a + first, b + first, sum_, y + first, last - first); });
  }

 private:
  Value& a_;
  Value& b_;
  Value& output_;
  ScaledSum sum_;
};

const Registration addition("int8Addition", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& a = asIntegers(read.input("input"));
  Value& b = asIntegers(read.input("other"));
  Value& output = asIntegers(read.value("output"));
  requireShape(output, a.c, a.h, a.w);
  requireShape(b, a.c, a.h, a.w);
  const auto number = [&](const char* key) { return static_cast<float>(read.number(key)); };
  const ScaledSum sum = {{number("inputFactor"), number("otherFactor")}, number("offset"), number("low"), number("high")};
  return std::make_unique<Int8Addition>(read.program(), a, b, output, sum);
});

}  // namespace

}  // namespace knack::cpu
