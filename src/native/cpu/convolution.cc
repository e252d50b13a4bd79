// Convolutions by oneDNN, each pass by the algorithm it was told.
#include <algorithm>
#include <cstring>

#include "convolution-passes.h"
#include "reader.h"
#include "residual-sum.h"
#include "weights.h"

namespace knack::cpu {

namespace {

bool isDepthwise(int64_t outChannels, int64_t inChannels, const Geometry& g) {
  return g.groups == inChannels && g.groups == outChannels;
}

// The same convolution over whole blocks of channels; depthwise ones then have more groups, others of several groups stay as they are.
memory::dims wholeWeightDims(const Value& output, const Value& input, const Geometry& g) {
  if (g.groups == 1) return weightDims(output.allChannels(), input.allChannels(), g);
  if (!isDepthwise(output.c, input.c, g)) return weightDims(output.c, input.c, g);
  Geometry wider = g;
  wider.groups = output.allChannels();
  return weightDims(output.allChannels(), input.allChannels(), wider);
}

// Weights [out][in][window] inside those of whole blocks of channels, which oneDNN reads: the rest are zeros.
class PaddedWeights {
 public:
  PaddedWeights(const memory::dims& own, const memory::dims& whole)
      : whole_(product(whole, 0)),
        columns_(product(own, own.size() - 3)),
        wholeColumns_(product(whole, whole.size() - 3)),
        rows_(product(own, 0) / columns_) {}

  std::vector<float> make() const { return std::vector<float>(whole_, 0.0f); }
  void fill(const float* own, float* whole) const {
    for (size_t row = 0; row < rows_; ++row) {
      std::memcpy(whole + row * wholeColumns_, own + row * columns_, columns_ * sizeof(float));
    }
  }
  void take(const float* whole, float* own, bool add) const {
    for (size_t row = 0; row < rows_; ++row) {
      for (size_t i = 0; i < columns_; ++i) {
        own[row * columns_ + i] = whole[row * wholeColumns_ + i] + (add ? own[row * columns_ + i] : 0);
      }
    }
  }

 private:
  size_t whole_, columns_, wholeColumns_, rows_;
};

struct ConvolutionOptions {
  Geometry geometry;
  Algorithms algorithms;
  Parameter weight;           // [out, in / groups, height, width]
  Parameter bias;             // [out]; may be none. Only without training
  Value* residual = nullptr;  // added before the clamp; only without training
  Clamp clamp;                // only without training
};

class Convolution final : public Operation {
 public:
  Convolution(Program& program, Value& input, Value& output, const ConvolutionOptions& options)
      : program_(program), input_(input), output_(output), options_(options) {
    const Geometry& g = options.geometry;
    const bool training = program.settings.training;
    output.needsGradient = input.needsGradient || options.weight.gradient != nullptr;
    // Beside blocks the images come in as whatever the first convolution likes best.
    const memory::desc source = input.anyLayout && !input.channelsLast
                                    ? memory::desc({input.n, input.c, input.h, input.w}, program.dataType(),
                                                   memory::format_tag::any)
                                    : input.layout;
    whole_ = wholeWeightDims(output, input, g);
    own_ = weightDims(output.c, input.c, g);
    const int64_t wholeInput = g.groups == 1 ? whole_[1] : whole_[0] * whole_[2];
    const int64_t wholeOutput = g.groups == 1 ? whole_[0] : whole_[0] * whole_[1];
    if (wholeInput != input.allChannels() || wholeOutput != output.allChannels()) {
      throw Unsupported("a convolution in groups that do not fill blocks of channels");
    }
    const memory::desc bias({output.allChannels()}, memory::data_type::f32, memory::format_tag::a);
    passes_ = Passes(program.engine, options.algorithms, {source, output.layout, whole_, dims(g.stride), dims(g.before), dims(g.after)},
                     {training, training && input.needsGradient, training && options.weight.gradient},
                     {options.bias.data ? &bias : nullptr, whatFollows()});
    input.layout = passes_.source;
  }

  const char* kind() const override { return "convolution"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    residualSum_.plan(program_, options_.residual, input_, output_, moment);
    program_.write(output_, moment);
    if (passes_.ours[0]) return planWinograd(0, moment);
    forwardWeight_.plan(program_, passes_.forward.weights_desc(), plainWeight(whole_), moment);
    forwardScratchpad_.plan(program_, passes_.forward.scratchpad_desc(), moment);
  }

  void planBackward(int moment) override {
    if (!output_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    if (passes_.ours[2]) {
      program_.read(input_, moment);
      planWinograd(2, moment);
    }
    if (hasWeightShares()) {
      program_.read(input_, moment);
      weightGradient_.plan(program_, passes_.weights[0].description.diff_weights_desc(), moment);
      for (const WeightShare& share : passes_.weights) {
        weightScratchpads_.push_back(program_.newBuffer(share.description.scratchpad_desc().get_size(), moment));
        // The first one's is the whole one in the end.
        if (&share != &passes_.weights[0]) otherGradients_.push_back(program_.newBuffer(share.description.diff_weights_desc().get_size(), moment));
      }
    }
    if (passes_.ours[1] || passes_.data) share_ = program_.addGradient(input_, moment);
    if (passes_.ours[1]) planWinograd(1, moment);
    if (passes_.data) {
      dataWeight_.plan(program_, passes_.data.weights_desc(), plainWeight(whole_), moment);
      dataScratchpad_.plan(program_, passes_.data.scratchpad_desc(), moment);
    }
  }

  void bind() override {
    const PaddedWeights padding(own_, whole_);
    if (own_ != whole_) {
      padded_ = padding.make();
      if (passes_.ours[2] || hasWeightShares()) paddedGradient_ = padding.make();
    }
    if (options_.bias.data) paddedBias_.assign(output_.allChannels(), 0);
    const memory weight(plainWeight(whole_), program_.engine, wholeWeight());
    if (!passes_.ours[0]) bindForward(weight);
    if (passes_.data && gradient_) {
      dataArguments_ = {{DNNL_ARG_DIFF_DST, bound(program_, passes_.data.diff_dst_desc(), gradient_)},
                        {DNNL_ARG_WEIGHTS, dataWeight_.bind(program_, weight)},
                        {DNNL_ARG_DIFF_SRC, bound(program_, passes_.data.diff_src_desc(), share_)}};
      dataScratchpad_.bind(program_, dataArguments_);
      dataPrimitive_ = BackwardData(passes_.data);
    }
    if (hasWeightShares() && gradient_) {
      const memory gradient(plainWeight(whole_), program_.engine, wholeGradient());
      const memory made = weightGradient_.bind(program_, gradient);
      std::vector<WeightShares::Place> places;
      for (size_t i = 0; i < passes_.weights.size(); ++i) {
        places.push_back({i == 0 ? made.get_data_handle() : otherGradients_[i - 1]->address, weightScratchpads_[i]->address});
      }
      weightShares_ = WeightShares(passes_.weights, program_.engine, input_.data->address, gradient_->address, places);
    }
  }

  void loadParameters() override {
    if (own_ != whole_) PaddedWeights(own_, whole_).fill(options_.weight.data, padded_.data());
    if (options_.bias.data) std::copy_n(options_.bias.data, output_.c, paddedBias_.data());
    if (!keptWeight_.empty()) passes_.winograd->transform(wholeWeight(), false, keptWeight_.data());
    if (!passes_.ours[0]) forwardWeight_.makeToStay(program_.stream);
  }

  void giveBackParameters() override {
    if (keptWeight_.empty() && !forwardWeight_.stays()) return;
    giveBack(padded_.data(), padded_.size() * sizeof(float));
    if (program_.hasOneReader(options_.weight.data)) giveBack(options_.weight.data, product(own_, 0) * sizeof(float));
  }

  void forward() override {
    if (passes_.ours[0]) return forwardByWinograd();
    residualSum_.prepare(program_, output_);
    forwardWeight_.makeForUse(program_.stream);
    forwardPrimitive_.execute(program_.stream, forwardArguments_);
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    const bool add = program_.accumulating(), padded = own_ != whole_;
    if (passes_.ours[2]) {
      passes_.winograd->backwardWeights(at<float>(input_.data), at<float>(gradient_), wholeGradient(), add && !padded,
                                        at<float>(scratch_[2]));
    }
    if (hasWeightShares()) {
      weightShares_.execute();
      weightGradient_.take(program_.stream, add && !padded);
    }
    if (padded && options_.weight.gradient) {
      PaddedWeights(own_, whole_).take(paddedGradient_.data(), options_.weight.gradient, add);
    }
    if (passes_.ours[1]) {
      passes_.winograd->transform(wholeWeight(), true, at<float>(transformed_[1]));
      passes_.winograd->backwardData(at<float>(gradient_), at<float>(transformed_[1]), at<float>(share_), at<float>(scratch_[1]));
    }
    if (passes_.data) {
      dataWeight_.makeForUse(program_.stream);
      dataPrimitive_.execute(program_.stream, dataArguments_);
    }
  }

 private:
  bool hasWeightShares() const { return !passes_.weights.empty(); }

  // In rows, over whole blocks of channels.
  float* wholeWeight() { return own_ == whole_ ? options_.weight.data : padded_.data(); }
  float* wholeGradient() { return own_ == whole_ ? options_.weight.gradient : paddedGradient_.data(); }

  void bindForward(const memory& weight) {
    forwardArguments_ = {{DNNL_ARG_SRC, bound(program_, passes_.forward.src_desc(), input_.data)},
                         {DNNL_ARG_WEIGHTS, forwardWeight_.bind(program_, weight)},
                         {DNNL_ARG_DST, bound(program_, passes_.forward.dst_desc(), output_.data)}};
    if (options_.bias.data) {
      forwardArguments_[DNNL_ARG_BIAS] = memory(passes_.forward.bias_desc(), program_.engine, paddedBias_.data());
    }
    forwardScratchpad_.bind(program_, forwardArguments_);
    forwardPrimitive_ = Forward(passes_.forward);
  }

  // Weights that are transformed for inference stay so; in training they are made anew for each use, as all copies of weights.
  void planWinograd(int pass, int moment) {
    const Winograd& winograd = *passes_.winograd;
    scratch_[pass] = program_.newBuffer(pass == 2 ? winograd.weightScratchBytes() : winograd.scratchBytes(), moment);
    if (pass == 2) return;
    if (program_.settings.training) transformed_[pass] = program_.newBuffer(winograd.transformedBytes(), moment);
    else keptWeight_.resize(winograd.transformedBytes() / sizeof(float));
  }

  void forwardByWinograd() {
    if (transformed_[0]) passes_.winograd->transform(wholeWeight(), false, at<float>(transformed_[0]));
    const float* transformed = transformed_[0] ? at<float>(transformed_[0]) : keptWeight_.data();
    const Finish finish = {options_.bias.data ? paddedBias_.data() : nullptr,
                           options_.residual ? at<float>(options_.residual->data) : nullptr, options_.clamp.low, options_.clamp.high};
    passes_.winograd->forward(at<float>(input_.data), transformed, at<float>(output_.data), finish, at<float>(scratch_[0]));
  }

  dnnl::post_ops whatFollows() const {
    dnnl::post_ops after;
    const auto [low, high] = std::pair(options_.clamp.low, options_.clamp.high);
    if (options_.residual) after.append_sum(1);
    if (low == 0 && high == INFINITY) appendEltwise(after, dnnl::algorithm::eltwise_relu, 0, 0);
    else if (low != -INFINITY || high != INFINITY) appendEltwise(after, dnnl::algorithm::eltwise_clip, low, high);
    return after;
  }

  Program& program_;
  Value& input_;
  Value& output_;
  ConvolutionOptions options_;
  Passes passes_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
  ResidualSum residualSum_;
  // The weights' own sizes, and those of whole blocks of channels. Where they differ, `padded_` stands between.
  memory::dims own_, whole_;
  std::vector<float> padded_, paddedGradient_, paddedBias_;
  // By pass, of our own Winograd.
  std::array<Buffer*, 3> scratch_ = {}, transformed_ = {};
  std::vector<float> keptWeight_;
  WeightCopy forwardWeight_, dataWeight_;
  WeightGradient weightGradient_;
  WeightShares weightShares_;
  std::vector<Buffer*> otherGradients_, weightScratchpads_;
  Scratchpad forwardScratchpad_, dataScratchpad_;
  dnnl::primitive forwardPrimitive_, dataPrimitive_;
  Arguments forwardArguments_, dataArguments_;
};

const Registration convolution("convolution", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  ConvolutionOptions options;
  options.geometry = read.geometry();
  options.geometry.groups = static_cast<int64_t>(read.number("groups"));
  const Geometry& g = options.geometry;
  if (g.groups < 1 || input.c % g.groups != 0 || output.c % g.groups != 0) {
    throw std::invalid_argument("groups do not divide the channels");
  }
  requireShape(output, output.c, windows(input.h, g, 0), windows(input.w, g, 1));
  const auto algorithms = read.integers("algorithms", 3);
  for (int i = 0; i < 3; ++i) options.algorithms[i] = algorithmOf(algorithms[i]);
  options.weight =
      read.parameter("weight", "weightGradient", output.c * input.c / g.groups * g.kernel[0] * g.kernel[1]);
  if (read.has("bias")) options.bias = read.parameter("bias", "biasGradient", output.c);
  if (read.has("residual")) options.residual = &read.input("residual");
  options.clamp = read.clamp();
  return std::make_unique<Convolution>(read.program(), input, output, options);
});

}  // namespace

}  // namespace knack::cpu
