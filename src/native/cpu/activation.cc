// Activations of images that are no clamps, by oneDNN.
#include <map>

#include "one-input.h"

namespace knack::cpu {

namespace {

using Forward = dnnl::eltwise_forward;
using Backward = dnnl::eltwise_backward;

struct Function {
  dnnl::algorithm algorithm;
  float alpha, beta;
};

const std::map<std::string, Function> kFunctions = {
    {"silu", {dnnl::algorithm::eltwise_swish, 1, 0}},
    {"sigmoid", {dnnl::algorithm::eltwise_logistic, 0, 0}},
    {"gelu", {dnnl::algorithm::eltwise_gelu_erf, 0, 0}},
    {"gelu by tanh", {dnnl::algorithm::eltwise_gelu_tanh, 0, 0}},
    {"hardswish", {dnnl::algorithm::eltwise_hardswish, 1.0f / 6, 0.5f}},
};

class Activation final : public OneInput {
 public:
  Activation(Program& program, Value& input, Value& output, const Function& function) : OneInput(program, input, output) {
    const memory::desc layout = output.layout;
    const auto [algorithm, alpha, beta] = function;
    const auto kind = program.settings.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const int64_t work = output.n * output.allChannels() * static_cast<int64_t>(output.pixels());
#if DNNL_VERSION_MAJOR >= 3
    forward_ = described<Forward>(program.engine, {}, kind, algorithm, layout, layout, alpha, beta);
#else
    forward_ = described<Forward>(program.engine, {}, kind, algorithm, layout, alpha, beta);
#endif
    refuseReference(forward_, "an activation", work);
    if (!program.settings.training) return;
#if DNNL_VERSION_MAJOR >= 3
    backward_ = describedAfter<Backward>(forward_, program.engine, {}, algorithm, layout, layout, layout, alpha, beta);
#else
    backward_ = describedAfter<Backward>(forward_, program.engine, {}, algorithm, layout, layout, alpha, beta);
#endif
    refuseReference(backward_, "an activation's gradient", work);
  }

  const char* kind() const override { return "activation"; }

  void planBackward(int moment) override {
    OneInput::planBackward(moment);
    if (gradient_) program_.read(input_, moment);
  }

  void bind() override {
    const auto at = [&](const Buffer* buffer) { return bound(program_, output_.layout, buffer); };
    forwardPrimitive_ = Forward(forward_);
    forwardArguments_ = {{DNNL_ARG_SRC, at(input_.data)}, {DNNL_ARG_DST, at(output_.data)}};
    if (!gradient_) return;
    backwardPrimitive_ = Backward(backward_);
    backwardArguments_ = {{DNNL_ARG_SRC, at(input_.data)}, {DNNL_ARG_DIFF_DST, at(gradient_)}, {DNNL_ARG_DIFF_SRC, at(share_)}};
  }

  void forward() override { forwardPrimitive_.execute(program_.stream, forwardArguments_); }

 protected:
  void passBack() override { backwardPrimitive_.execute(program_.stream, backwardArguments_); }

 private:
  Forward::primitive_desc forward_;
  Backward::primitive_desc backward_;
  dnnl::primitive forwardPrimitive_, backwardPrimitive_;
  Arguments forwardArguments_, backwardArguments_;
};

const Registration activation("activation", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  requireShape(output, input.c, input.h, input.w);
  const auto found = kFunctions.find(read.text("function"));
  if (found == kFunctions.end()) throw std::invalid_argument("there is no activation " + read.text("function"));
  return std::make_unique<Activation>(read.program(), input, output, found->second);
});

}  // namespace

}  // namespace knack::cpu
