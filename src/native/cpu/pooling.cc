// Max and average pooling by oneDNN, which takes NaN for the least of numbers: as in libtorch it is the greatest here.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "reader.h"

namespace knack::cpu {

namespace {

using Forward = dnnl::pooling_forward;
using Backward = dnnl::pooling_backward;

// @param describe takes how windows lie; oneDNN 3 asks for gaps within them too
template <typename Describe>
auto windowed(const Geometry& g, const Describe& describe) {
  const auto pair = [](const std::array<int64_t, 2>& values) { return memory::dims{values[0], values[1]}; };
#if DNNL_VERSION_MAJOR >= 3
  return describe(pair(g.stride), pair(g.kernel), memory::dims{0, 0}, pair(g.before), pair(g.after));
#else
  return describe(pair(g.stride), pair(g.kernel), pair(g.before), pair(g.after));
#endif
}

class Pooling final : public Operation {
 public:
  Pooling(Program& program, Value& input, Value& output, const Geometry& g, dnnl::algorithm algorithm)
      : program_(program), input_(input), output_(output), geometry_(g), isMax_(algorithm == dnnl::algorithm::pooling_max) {
    output.needsGradient = input.needsGradient;
    const auto kind =
        program.settings.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    forward_ = windowed(g, [&](const auto&... windows) {
      return described<Forward>(program.engine, {}, kind, algorithm, input.layout, output.layout, windows...);
    });
    const int64_t work = output.n * output.c * output.h * output.w * g.kernel[0] * g.kernel[1];
    refuseReference(forward_, "pooling", work);
    if (program.settings.training && input.needsGradient) {
      backward_ = windowed(g, [&](const auto&... windows) {
        return describedAfter<Backward>(forward_, program.engine, {}, algorithm, input.layout, output.layout, windows...);
      });
      refuseReference(backward_, "pooling's gradient", work);
    }
  }

  const char* kind() const override { return "pooling"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
    const size_t bytes = forward_.workspace_desc().get_size();
    if (bytes > 0) workspace_ = program_.newBuffer(bytes, moment);
  }

  void planBackward(int moment) override {
    if (!backward_) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    if (workspace_) workspace_->last = moment;
    share_ = program_.addGradient(input_, moment);
  }

  void bind() override {
    forwardArguments_ = {{DNNL_ARG_SRC, bound(program_, input_.layout, input_.data)},
                         {DNNL_ARG_DST, bound(program_, output_.layout, output_.data)}};
    if (workspace_) forwardArguments_[DNNL_ARG_WORKSPACE] = bound(program_, forward_.workspace_desc(), workspace_);
    forwardPrimitive_ = Forward(forward_);
    if (!gradient_) return;
    backwardArguments_ = {{DNNL_ARG_DIFF_DST, bound(program_, output_.layout, gradient_)},
                          {DNNL_ARG_DIFF_SRC, bound(program_, input_.layout, share_)}};
    if (workspace_) backwardArguments_[DNNL_ARG_WORKSPACE] = forwardArguments_[DNNL_ARG_WORKSPACE];
    backwardPrimitive_ = Backward(backward_);
  }

  void forward() override {
    forwardPrimitive_.execute(program_.stream, forwardArguments_);
    if (isMax_) withElementType(program_, [&](auto* type) { keepNaN<std::remove_pointer_t<decltype(type)>>(); });
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    backwardPrimitive_.execute(program_.stream, backwardArguments_);
  }

 private:
  // Looks for NaN block by block; where there is one, the windows that see it become NaN.
  template <typename T>
  void keepNaN() {
    const T* x = at<T>(input_.data);
    T* y = at<T>(output_.data);
    const int64_t blocks = input_.blocks(), rows = input_.channelsLast ? 1 : blocks;
    const size_t count = input_.pixels() * kBlock * (blocks / rows);
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t n = 0; n < input_.n; ++n) {
      for (int64_t row = 0; row < rows; ++row) {
        if (!hasNaN(x + input_.blockStart(n, row), count)) continue;
        for (int64_t block = row; block < row + blocks / rows; ++block) {
          spreadNaN(x + input_.blockStart(n, block), y + output_.blockStart(n, block));
        }
      }
    }
  }

  template <typename T>
  void spreadNaN(const T* x, T* y) const {
    const auto [before, stride, kernel] = std::tuple(geometry_.before, geometry_.stride, geometry_.kernel);
    for (int64_t i = 0; i < output_.h * output_.w; ++i) {
      const int64_t top = i / output_.w * stride[0] - before[0], left = i % output_.w * stride[1] - before[1];
      for (int64_t r = std::max<int64_t>(top, 0); r < std::min(top + kernel[0], input_.h); ++r) {
        for (int64_t s = std::max<int64_t>(left, 0); s < std::min(left + kernel[1], input_.w); ++s) {
          for (int c = 0; c < kBlock; ++c) {
            const T value = x[(r * input_.w + s) * input_.pixelStride() + c];
            if (std::isnan(toFloat(value))) y[i * output_.pixelStride() + c] = value;
          }
        }
      }
    }
  }

  Program& program_;
  Value& input_;
  Value& output_;
  Geometry geometry_;
  bool isMax_;
  Forward::primitive_desc forward_;
  Backward::primitive_desc backward_;
  dnnl::primitive forwardPrimitive_, backwardPrimitive_;
  Arguments forwardArguments_, backwardArguments_;
  Buffer* workspace_ = nullptr;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
};

std::unique_ptr<Operation> make(const Reader& read, dnnl::algorithm algorithm) {
  Value& input = read.input("input");
  Value& output = read.value("output");
  const Geometry geometry = read.geometry();
  requireShape(output, input.c, windows(input.h, geometry, 0), windows(input.w, geometry, 1));
  return std::make_unique<Pooling>(read.program(), input, output, geometry, algorithm);
}

const Registration maxPool("maxPool", [](const Reader& read) { return make(read, dnnl::algorithm::pooling_max); });

const Registration averagePool("averagePool", [](const Reader& read) {
  return make(read, read.flag("countPadding") ? dnnl::algorithm::pooling_avg_include_padding
                                              : dnnl::algorithm::pooling_avg_exclude_padding);
});

}  // namespace

}  // namespace knack::cpu
