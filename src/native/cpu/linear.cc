// Fully connected layers by oneDNN.
#include "reader.h"
#include "weights.h"

namespace knack::cpu {

namespace {

using Forward = dnnl::inner_product_forward;
using BackwardData = dnnl::inner_product_backward_data;
using BackwardWeights = dnnl::inner_product_backward_weights;

class Linear final : public Operation {
 public:
  Linear(Program& program, Value& input, Value& output, const Parameter& weight, const Parameter& bias)
      : program_(program), input_(input), output_(output), weight_(weight), bias_(bias) {
    output.needsGradient = input.needsGradient || weight.gradient || bias.gradient;
    const auto kind =
        program.settings.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const memory::dims dims = {output.c, input.c};
    // Float32 as it is: no layout is so much faster that a copy would pay.
    const auto tag = program.settings.bfloat16 ? memory::format_tag::any : memory::format_tag::ab;
    const memory::desc rows(dims, program.dataType(), tag);
    const memory::desc any32(dims, memory::data_type::f32, memory::format_tag::any);
    const memory::desc biasLayout({output.c}, memory::data_type::f32, memory::format_tag::a);
    forward_ = bias.data ? described<Forward>(program.engine, {}, kind, input.layout, rows, biasLayout, output.layout)
                         : described<Forward>(program.engine, {}, kind, input.layout, rows, output.layout);
    const int64_t work = input.n * input.c * output.c;
    refuseReference(forward_, "a linear layer", work);
    if (!program.settings.training) return;
    if (input.needsGradient) {
      data_ = describedAfter<BackwardData>(forward_, program.engine, {}, input.layout, rows, gradientLayout());
      refuseReference(data_, "a linear layer's gradient of its input", work);
    }
    if (weight.gradient) {
      weights_ = bias.gradient
                     ? describedAfter<BackwardWeights>(forward_, program.engine, {}, input.layout, any32, biasLayout, gradientLayout())
                     : describedAfter<BackwardWeights>(forward_, program.engine, {}, input.layout, any32, gradientLayout());
      refuseReference(weights_, "a linear layer's gradient of its weights", work);
    }
  }

  const char* kind() const override { return "linear"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
    forwardWeight_.plan(program_, forward_.weights_desc(), plainWeight(), moment);
  }

  void planBackward(int moment) override {
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    // oneDNN wants the gradient in the compute type, the loss gives float32.
    if (gradientLayout() != output_.layout) lowered_ = program_.newBuffer(gradientLayout().get_size(), moment);
    if (weights_) {
      program_.read(input_, moment);
      weightGradient_.plan(program_, weights_.diff_weights_desc(), moment);
    }
    if (data_) {
      share_ = program_.addGradient(input_, moment);
      dataWeight_.plan(program_, data_.weights_desc(), plainWeight(), moment);
    }
  }

  void bind() override {
    const memory::desc row({output_.c}, memory::data_type::f32, memory::format_tag::a);
    const memory weight(plainWeight(), program_.engine, weight_.data);
    forwardArguments_ = {{DNNL_ARG_SRC, bound(program_, input_.layout, input_.data)},
                         {DNNL_ARG_WEIGHTS, forwardWeight_.bind(program_, weight)},
                         {DNNL_ARG_DST, bound(program_, output_.layout, output_.data)}};
    if (bias_.data) forwardArguments_[DNNL_ARG_BIAS] = memory(row, program_.engine, bias_.data);
    forwardPrimitive_ = Forward(forward_);
    if (!gradient_) return;
    whole_ = bound(program_, output_.layout, gradient_);
    given_ = lowered_ ? bound(program_, gradientLayout(), lowered_) : whole_;
    if (lowered_) lower_ = dnnl::reorder(whole_, given_);
    if (data_) {
      dataArguments_ = {{DNNL_ARG_DIFF_DST, given_},
                        {DNNL_ARG_WEIGHTS, dataWeight_.bind(program_, weight)},
                        {DNNL_ARG_DIFF_SRC, bound(program_, input_.layout, share_)}};
      dataPrimitive_ = BackwardData(data_);
    }
    if (weights_) {
      const memory gradient(plainWeight(), program_.engine, weight_.gradient);
      weightArguments_ = {{DNNL_ARG_SRC, bound(program_, input_.layout, input_.data)},
                          {DNNL_ARG_DIFF_DST, given_},
                          {DNNL_ARG_DIFF_WEIGHTS, weightGradient_.bind(program_, gradient)}};
      if (bias_.gradient) {
        madeBias_ = memory(row, program_.engine);
        weightArguments_[DNNL_ARG_DIFF_BIAS] = madeBias_;
      }
      weightPrimitive_ = BackwardWeights(weights_);
    }
  }

  void loadParameters() override {
    forwardWeight_.makeToStay(program_.stream);
  }

  void giveBackParameters() override {
    if (forwardWeight_.stays() && program_.hasOneReader(weight_.data)) giveBack(weight_.data, plainWeight().get_size());
  }

  void forward() override {
    forwardWeight_.makeForUse(program_.stream);
    forwardPrimitive_.execute(program_.stream, forwardArguments_);
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    if (lowered_) lower_.execute(program_.stream, whole_, given_);
    if (weights_) {
      weightPrimitive_.execute(program_.stream, weightArguments_);
      weightGradient_.take(program_.stream, program_.accumulating());
      if (bias_.gradient) {
        const float* made = static_cast<float*>(madeBias_.get_data_handle());
        for (int64_t k = 0; k < output_.c; ++k) bias_.gradient[k] = made[k] + (program_.accumulating() ? bias_.gradient[k] : 0);
      }
    }
    if (data_) {
      dataWeight_.makeForUse(program_.stream);
      dataPrimitive_.execute(program_.stream, dataArguments_);
    }
  }

 private:
  memory::desc plainWeight() const { return {{output_.c, input_.c}, memory::data_type::f32, memory::format_tag::ab}; }

  memory::desc gradientLayout() const {
    return memory::desc({output_.n, output_.c}, program_.dataType(), memory::format_tag::ab);
  }

  Program& program_;
  Value& input_;
  Value& output_;
  Parameter weight_, bias_;
  Forward::primitive_desc forward_;
  BackwardData::primitive_desc data_;
  BackwardWeights::primitive_desc weights_;
  dnnl::primitive forwardPrimitive_, dataPrimitive_, weightPrimitive_;
  dnnl::reorder lower_;
  WeightCopy forwardWeight_, dataWeight_;
  WeightGradient weightGradient_;
  Arguments forwardArguments_, dataArguments_, weightArguments_;
  memory whole_, given_, madeBias_;
  Buffer* gradient_ = nullptr;
  Buffer* lowered_ = nullptr;
  Buffer* share_ = nullptr;
};

const Registration linear("linear", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  const Parameter weight = read.parameter("weight", "weightGradient", output.c * input.c);
  const Parameter bias = read.has("bias") ? read.parameter("bias", "biasGradient", output.c) : Parameter{};
  return std::make_unique<Linear>(read.program(), input, output, weight, bias);
});

}  // namespace

}  // namespace knack::cpu
