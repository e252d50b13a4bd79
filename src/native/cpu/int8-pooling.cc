// Pooling over uint8: the greatest by oneDNN, means by a loop of our own, since they have another grid than what they are of.
#include <algorithm>
#include <vector>

#include "int8.h"

namespace knack::cpu {

namespace {

using Forward = dnnl::pooling_forward;

class Int8MaxPool final : public Int8Operation {
 public:
  Int8MaxPool(Program& program, Value& input, Value& output, const Geometry& g) : Int8Operation(program), input_(input), output_(output) {
    const auto pair = [](const std::array<int64_t, 2>& values) { return memory::dims{values[0], values[1]}; };
    const auto describe = [&](const auto&... windows) {
      return described<Forward>(program.engine, {}, dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_max, input.layout, output.layout,
                                windows...);
    };
#if DNNL_VERSION_MAJOR >= 3
    forward_ = describe(pair(g.stride), pair(g.kernel), memory::dims{0, 0}, pair(g.before), pair(g.after));
#else
    forward_ = describe(pair(g.stride), pair(g.kernel), pair(g.before), pair(g.after));
#endif
    refuseReference(forward_, "pooling in integers", output.n * output.c * output.h * output.w * g.kernel[0] * g.kernel[1]);
  }

  const char* kind() const override { return "pooling"; }
  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
  }
  void bind() override {
    arguments_ = {{DNNL_ARG_SRC, bound(program_, input_.layout, input_.data)}, {DNNL_ARG_DST, bound(program_, output_.layout, output_.data)}};
    primitive_ = Forward(forward_);
  }
  void forward() override { primitive_.execute(program_.stream, arguments_); }

 private:
  Value& input_;
  Value& output_;
  Forward::primitive_desc forward_;
  dnnl::primitive primitive_;
  Arguments arguments_;
};

struct Int8Mean {
  Geometry geometry;
  // Whether zeros around the image count.
  bool countPadding;
  // A step of the input in steps of the result.
  float factor;
  float inputZeroPoint, outputZeroPoint;
};

class Int8AveragePool final : public Int8Operation {
 public:
  Int8AveragePool(Program& program, Value& input, Value& output, const Int8Mean& mean)
      : Int8Operation(program), input_(input), output_(output), mean_(mean) {}

  const char* kind() const override { return "pooling"; }
  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
  }

  void forward() override {
    const int64_t rows = output_.n * output_.h;
#pragma omp parallel
    {
      std::vector<int32_t> sums(input_.c);
#pragma omp for schedule(static)
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t column = 0; column < output_.w; ++column) average(row / output_.h, row % output_.h, column, sums.data());
      }
    }
  }

 private:
  void average(int64_t n, int64_t row, int64_t column, int32_t* sums) const {
    const auto& [kernel, stride, before, after, groups] = mean_.geometry;
    const int64_t top = row * stride[0] - before[0], left = column * stride[1] - before[1];
    const int64_t firstRow = std::max<int64_t>(top, 0), lastRow = std::min(top + kernel[0], input_.h);
    const int64_t firstColumn = std::max<int64_t>(left, 0), lastColumn = std::min(left + kernel[1], input_.w);
    std::fill(sums, sums + input_.c, 0);
    const auto* x = at<const uint8_t>(input_.data);
    for (int64_t r = firstRow; r < lastRow; ++r) {
      for (int64_t s = firstColumn; s < lastColumn; ++s) addTo(sums, x + ((n * input_.h + r) * input_.w + s) * input_.c, input_.c);
    }
    const auto seen = static_cast<float>((lastRow - firstRow) * (lastColumn - firstColumn));
    const float counted = mean_.countPadding ? static_cast<float>(kernel[0] * kernel[1]) : seen;
    const float factor = mean_.factor / counted;
    auto* y = at<uint8_t>(output_.data) + ((n * output_.h + row) * output_.w + column) * output_.c;
    scaleSums(sums, factor, mean_.outputZeroPoint - factor * seen * mean_.inputZeroPoint, y, output_.c);
  }

  Value& input_;
  Value& output_;
  Int8Mean mean_;
};

struct Windowed {
  Value& input;
  Value& output;
  Geometry geometry;
};

Windowed windowed(const Reader& read) {
  Value& input = asIntegers(read.input("input"));
  Value& output = asIntegers(read.value("output"));
  const Geometry g = read.geometry();
  for (int axis = 0; axis < 2; ++axis) {
    if (g.before[axis] >= g.kernel[axis] || g.after[axis] >= g.kernel[axis]) throw std::invalid_argument("a window sees nothing but padding");
  }
  requireShape(output, input.c, windows(input.h, g, 0), windows(input.w, g, 1));
  return {input, output, g};
}

const Registration maxPool("int8MaxPool", [](const Reader& read) -> std::unique_ptr<Operation> {
  const auto [input, output, geometry] = windowed(read);
  return std::make_unique<Int8MaxPool>(read.program(), input, output, geometry);
});

const Registration averagePool("int8AveragePool", [](const Reader& read) -> std::unique_ptr<Operation> {
  const auto [input, output, geometry] = windowed(read);
  const auto number = [&](const char* key) { return static_cast<float>(read.number(key)); };
  const Int8Mean mean = {geometry, read.flag("countPadding"), number("factor"), number("inputZeroPoint"), number("outputZeroPoint")};
  return std::make_unique<Int8AveragePool>(read.program(), input, output, mean);
});

}  // namespace

}  // namespace knack::cpu
