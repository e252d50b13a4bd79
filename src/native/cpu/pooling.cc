// Max and average pooling by oneDNN.
#include "reader.h"

namespace knack::cpu {

namespace {

class Pooling final : public Operation {
 public:
  Pooling(Program& program, Value& input, Value& output, const Geometry& g, dnnl::algorithm algorithm)
      : program_(program), input_(input), output_(output) {
    output.needsGradient = input.needsGradient;
    const auto pair = [](const std::array<int64_t, 2>& values) { return memory::dims{values[0], values[1]}; };
    const auto kind =
        program.settings.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    forward_ = dnnl::pooling_forward::primitive_desc({kind, algorithm, input.layout, output.layout, pair(g.stride),
                                                      pair(g.kernel), pair(g.before), pair(g.after)},
                                                     program.engine);
    const int64_t work = output.n * output.c * output.h * output.w * g.kernel[0] * g.kernel[1];
    refuseReference(forward_, "pooling", work);
    if (program.settings.training && input.needsGradient) {
      backward_ = dnnl::pooling_backward::primitive_desc({algorithm, input.layout, output.layout, pair(g.stride),
                                                          pair(g.kernel), pair(g.before), pair(g.after)},
                                                         program.engine, forward_);
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
