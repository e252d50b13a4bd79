// Max and average pooling by oneDNN, and the mean over all pixels.
#include "program.h"

namespace knack::fast {

namespace {

class Pooling final : public Operation {
 public:
  Pooling(Program& program, Value& input, Value& output, const PoolingOptions& options)
      : program_(program), input_(input), output_(output) {
    output.needsGradient = input.needsGradient;
    const Geometry& g = options.geometry;
    const auto pair = [](const std::array<int64_t, 2>& values) { return memory::dims{values[0], values[1]}; };
    const auto kind =
        program.settings.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    forward_ = dnnl::pooling_forward::primitive_desc({kind, options.algorithm, input.layout, output.layout, pair(g.stride),
                                                      pair(g.kernel), pair(g.before), pair(g.after)},
                                                     program.engine);
    if (program.settings.training && input.needsGradient) {
      backward_ = dnnl::pooling_backward::primitive_desc({options.algorithm, input.layout, output.layout, pair(g.stride),
                                                          pair(g.kernel), pair(g.before), pair(g.after)},
                                                         program.engine, forward_);
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
    forwardPrimitive_ = dnnl::pooling_forward(forward_);
    if (!gradient_) return;
    backwardArguments_ = {{DNNL_ARG_DIFF_DST, bound(program_, output_.layout, gradient_)},
                          {DNNL_ARG_DIFF_SRC, bound(program_, input_.layout, share_)}};
    if (workspace_) backwardArguments_[DNNL_ARG_WORKSPACE] = forwardArguments_[DNNL_ARG_WORKSPACE];
    backwardPrimitive_ = dnnl::pooling_backward(backward_);
  }

  void forward() override { forwardPrimitive_.execute(program_.stream, forwardArguments_); }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    backwardPrimitive_.execute(program_.stream, backwardArguments_);
  }

 private:
  Program& program_;
  Value& input_;
  Value& output_;
  dnnl::pooling_forward::primitive_desc forward_;
  dnnl::pooling_backward::primitive_desc backward_;
  dnnl::primitive forwardPrimitive_, backwardPrimitive_;
  Arguments forwardArguments_, backwardArguments_;
  Buffer* workspace_ = nullptr;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
};

class GlobalAverage final : public Operation {
 public:
  GlobalAverage(Program& program, Value& input, Value& output) : program_(program), input_(input), output_(output) {
    output.needsGradient = input.needsGradient;
  }

  const char* kind() const override { return "global average"; }

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

  void forward() override {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* x = reinterpret_cast<T*>(input_.data->address);
      T* y = reinterpret_cast<T*>(output_.data->address);
      each([&](int64_t n, int64_t block, int64_t channels) {
        float sum[kBlock];
        sumPixels<T>(x + (n * input_.blocks() + block) * input_.pixels() * kBlock, input_.pixels(), sum);
        for (int64_t c = 0; c < channels; ++c) {
          y[n * input_.c + block * kBlock + c] = fromFloat<T>(sum[c] / static_cast<float>(input_.pixels()));
        }
      });
    });
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* g = reinterpret_cast<T*>(gradient_->address);
      T* dx = reinterpret_cast<T*>(share_->address);
      each([&](int64_t n, int64_t block, int64_t channels) {
        float value[kBlock] = {};
        for (int64_t c = 0; c < channels; ++c) {
          value[c] = toFloat(g[n * input_.c + block * kBlock + c]) / static_cast<float>(input_.pixels());
        }
        spreadPixels<T>(value, dx + (n * input_.blocks() + block) * input_.pixels() * kBlock, input_.pixels());
      });
    });
  }

 private:
  template <typename Body>
  void each(Body body) const {
    const int64_t blocks = input_.blocks();
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t n = 0; n < input_.n; ++n) {
      for (int64_t block = 0; block < blocks; ++block) {
        body(n, block, std::min<int64_t>(kBlock, input_.c - block * kBlock));
      }
    }
  }

  Program& program_;
  Value& input_;
  Value& output_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
};

}  // namespace

std::unique_ptr<Operation> makePooling(Program& program, Value& input, Value& output, const PoolingOptions& options) {
  return std::make_unique<Pooling>(program, input, output, options);
}

std::unique_ptr<Operation> makeGlobalAverage(Program& program, Value& input, Value& output) {
  return std::make_unique<GlobalAverage>(program, input, output);
}

}  // namespace knack::fast
