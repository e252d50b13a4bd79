// Between integers and the float32 of a network's other layers: ONNX's QuantizeLinear and DequantizeLinear.
#include <cstring>

#include "int8.h"

namespace knack::cpu {

namespace {

struct Grid {
  float scale, zeroPoint;
};

// Floats lie channels-last, in whole blocks of channels unless they are vectors.
void requireFloats(const Value& value) {
  if (value.integers || !(value.vector || value.channelsLast)) throw std::invalid_argument("integers become floats channels-last only");
}

class ToNumbers final : public Int8Operation {
 public:
  ToNumbers(Program& program, Value& input, Value& output, Grid grid) : Int8Operation(program), input_(input), output_(output), grid_(grid) {}

  const char* kind() const override { return "from integers"; }
  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
  }
  void forward() override {
    const size_t own = input_.c, all = output_.allChannels();
    inParts(input_.n * input_.pixels(), all, [&](size_t first, size_t last) {
      for (size_t pixel = first; pixel < last; ++pixel) {
        float* y = at<float>(output_.data) + pixel * all;
        toNumbers(at<const uint8_t>(input_.data) + pixel * own, grid_.scale, grid_.zeroPoint, y, own);
        std::memset(y + own, 0, (all - own) * sizeof(float));
      }
    });
  }

 private:
  Value& input_;
  Value& output_;
  Grid grid_;
};

class ToIntegers final : public Int8Operation {
 public:
  ToIntegers(Program& program, Value& input, Value& output, Grid grid) : Int8Operation(program), input_(input), output_(output), grid_(grid) {}

  const char* kind() const override { return "to integers"; }
  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
  }
  void forward() override {
    const size_t own = output_.c, all = input_.allChannels();
    inParts(input_.n * input_.pixels(), all, [&](size_t first, size_t last) {
      for (size_t pixel = first; pixel < last; ++pixel) {
        toIntegers(at<const float>(input_.data) + pixel * all, grid_.scale, grid_.zeroPoint, at<uint8_t>(output_.data) + pixel * own, own);
      }
    });
  }

 private:
  Value& input_;
  Value& output_;
  Grid grid_;
};

template <typename Conversion>
std::unique_ptr<Operation> make(const Reader& read, Value& integers, const Value& floats) {
  asIntegers(integers);
  requireFloats(floats);
  Value& input = read.input("input");
  Value& output = read.value("output");
  requireShape(output, input.c, input.h, input.w);
  const Grid grid = {static_cast<float>(read.number("scale")), static_cast<float>(read.number("zeroPoint"))};
  return std::make_unique<Conversion>(read.program(), input, output, grid);
}

const Registration toNumbers_("int8ToNumbers", [](const Reader& read) { return make<ToNumbers>(read, read.value("input"), read.value("output")); });

const Registration toIntegers_("int8FromNumbers", [](const Reader& read) { return make<ToIntegers>(read, read.value("output"), read.value("input")); });

}  // namespace

}  // namespace knack::cpu
