// Convolutions by oneDNN, each pass by the algorithm it was told.
#include <algorithm>
#include <cstring>

#include "primitive-times.h"
#include "reader.h"
#include "weights.h"

namespace knack::cpu {

namespace {

memory::dims dims(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

memory::dims weightDims(int64_t outChannels, int64_t inChannels, const Geometry& g) {
  if (g.groups == 1) return {outChannels, inChannels, g.kernel[0], g.kernel[1]};
  return {g.groups, outChannels / g.groups, inChannels / g.groups, g.kernel[0], g.kernel[1]};
}

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

dnnl::algorithm oneDnnAlgorithm(Algorithm algorithm) {
  return algorithm == Algorithm::Winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
}

struct Shapes {
  memory::desc source, weight, destination;
  memory::dims stride, before, after;
};

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

Forward::primitive_desc describeForward(const dnnl::engine& engine, bool training, Algorithm algorithm, const Shapes& s,
                                        const memory::desc* bias, const dnnl::primitive_attr& attributes) {
  const auto kind = training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const auto by = oneDnnAlgorithm(algorithm);
  return bias ? Forward::primitive_desc({kind, by, s.source, s.weight, *bias, s.destination, s.stride, s.before, s.after},
                                        attributes, engine)
              : Forward::primitive_desc({kind, by, s.source, s.weight, s.destination, s.stride, s.before, s.after},
                                        attributes, engine);
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
  static size_t product(const memory::dims& dims, size_t from) {
    size_t result = 1;
    for (size_t i = from; i < dims.size(); ++i) result *= static_cast<size_t>(dims[i]);
    return result;
  }

  size_t whole_, columns_, wholeColumns_, rows_;
};

dnnl::primitive_attr scratchpadAttributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

struct ConvolutionOptions {
  Geometry geometry;
  std::array<Algorithm, 3> algorithms;  // forward, backward data, backward weights
  Parameter weight;                     // [out, in / groups, height, width]
  Parameter bias;                       // [out]; may be none. Only without training
  Value* residual = nullptr;            // added before the clamp; only without training
  Clamp clamp;                          // only without training
};

class Convolution final : public Operation {
 public:
  Convolution(Program& program, Value& input, Value& output, const ConvolutionOptions& options)
      : program_(program), input_(input), output_(output), options_(options) {
    const Geometry& g = options.geometry;
    const bool training = program.settings.training;
    output.needsGradient = input.needsGradient || options.weight.gradient != nullptr;
    // The images come in as whatever the first convolution likes best.
    const memory::desc source = input.anyLayout
                                    ? memory::desc({input.n, input.c, input.h, input.w}, program.dataType(),
                                                   memory::format_tag::any)
                                    : input.layout;
    whole_ = wholeWeightDims(output, input, g);
    own_ = weightDims(output.c, input.c, g);
    const memory::dims& weight = whole_;
    const int64_t wholeInput = g.groups == 1 ? whole_[1] : whole_[0] * whole_[2];
    const int64_t wholeOutput = g.groups == 1 ? whole_[0] : whole_[0] * whole_[1];
    if (wholeInput != input.allChannels() || wholeOutput != output.allChannels()) {
      throw Unsupported("a convolution in groups that do not fill blocks of channels");
    }
    const memory::desc any(weight, program.dataType(), memory::format_tag::any);
    const memory::desc any32(weight, memory::data_type::f32, memory::format_tag::any);
    Shapes shapes = {source, any, output.layout, dims(g.stride), dims(g.before), dims(g.after)};
    const memory::desc bias({output.allChannels()}, memory::data_type::f32, memory::format_tag::a);

    forward_ = describeForward(program.engine, training, options.algorithms[0], shapes,
                               options.bias.data ? &bias : nullptr, attributes());
    input.layout = forward_.src_desc();
    shapes.source = input.layout;
    if (!training) return;
    if (input.needsGradient) {
      const auto by = options.algorithms[1];
      const auto forHint = by == options.algorithms[0] ? forward_ : hintFor(by, shapes);
      data_ = BackwardData::primitive_desc(
          {oneDnnAlgorithm(by), shapes.source, any, shapes.destination, shapes.stride, shapes.before, shapes.after},
          scratchpadAttributes(), program.engine, forHint);
    }
    if (options.weight.gradient) {
      const auto by = options.algorithms[2];
      const auto forHint = by == options.algorithms[0] ? forward_ : hintFor(by, shapes);
      weights_ = BackwardWeights::primitive_desc(
          {oneDnnAlgorithm(by), shapes.source, any32, shapes.destination, shapes.stride, shapes.before, shapes.after},
          scratchpadAttributes(), program.engine, forHint);
    }
  }

  const char* kind() const override { return "convolution"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    if (options_.residual) {
      program_.read(*options_.residual, moment);
      // The sum is made in the residual's place where nobody reads it later.
      if (options_.residual->lastRead == moment) {
        output_.data = options_.residual->data;
        inPlace_ = true;
      }
    }
    program_.write(output_, moment);
    forwardWeight_.plan(program_, forward_.weights_desc(), plainWeight(), moment);
    forwardScratchpad_.plan(program_, forward_.scratchpad_desc(), moment);
  }

  void planBackward(int moment) override {
    if (!output_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    if (weights_) {
      program_.read(input_, moment);
      weightGradient_.plan(program_, weights_.diff_weights_desc(), moment);
      weightScratchpad_.plan(program_, weights_.scratchpad_desc(), moment);
    }
    if (data_) {
      share_ = program_.addGradient(input_, moment);
      dataWeight_.plan(program_, data_.weights_desc(), plainWeight(), moment);
      dataScratchpad_.plan(program_, data_.scratchpad_desc(), moment);
    }
  }

  void bind() override {
    const PaddedWeights padding(own_, whole_);
    if (own_ != whole_) padded_ = padding.make();
    const memory weight(plainWeight(), program_.engine, own_ == whole_ ? options_.weight.data : padded_.data());
    forwardArguments_ = {{DNNL_ARG_SRC, bound(program_, forward_.src_desc(), input_.data)},
                         {DNNL_ARG_WEIGHTS, forwardWeight_.bind(program_, weight)},
                         {DNNL_ARG_DST, bound(program_, forward_.dst_desc(), output_.data)}};
    if (options_.bias.data) {
      paddedBias_.assign(output_.allChannels(), 0);
      forwardArguments_[DNNL_ARG_BIAS] = memory(forward_.bias_desc(), program_.engine, paddedBias_.data());
    }
    forwardScratchpad_.bind(program_, forwardArguments_);
    forwardPrimitive_ = Forward(forward_);
    if (data_ && gradient_) {
      dataArguments_ = {{DNNL_ARG_DIFF_DST, bound(program_, data_.diff_dst_desc(), gradient_)},
                        {DNNL_ARG_WEIGHTS, dataWeight_.bind(program_, weight)},
                        {DNNL_ARG_DIFF_SRC, bound(program_, data_.diff_src_desc(), share_)}};
      dataScratchpad_.bind(program_, dataArguments_);
      dataPrimitive_ = BackwardData(data_);
    }
    if (weights_ && gradient_) {
      if (own_ != whole_) paddedGradient_ = padding.make();
      const memory gradient(plainWeight(), program_.engine,
                            own_ == whole_ ? options_.weight.gradient : paddedGradient_.data());
      weightArguments_ = {{DNNL_ARG_SRC, bound(program_, weights_.src_desc(), input_.data)},
                          {DNNL_ARG_DIFF_DST, bound(program_, weights_.diff_dst_desc(), gradient_)},
                          {DNNL_ARG_DIFF_WEIGHTS, weightGradient_.bind(program_, gradient)}};
      weightScratchpad_.bind(program_, weightArguments_);
      weightPrimitive_ = BackwardWeights(weights_);
    }
  }

  void loadParameters() override {
    if (own_ != whole_) PaddedWeights(own_, whole_).fill(options_.weight.data, padded_.data());
    if (options_.bias.data) std::copy_n(options_.bias.data, output_.c, paddedBias_.data());
    forwardWeight_.makeToStay(program_.stream);
  }

  void forward() override {
    if (options_.residual && !inPlace_) {
      std::memcpy(output_.data->address, options_.residual->data->address, program_.bytesOf(output_));
    }
    forwardWeight_.makeForUse(program_.stream);
    forwardPrimitive_.execute(program_.stream, forwardArguments_);
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    if (weights_) {
      weightPrimitive_.execute(program_.stream, weightArguments_);
      const bool add = program_.accumulating();
      weightGradient_.take(program_.stream, add && own_ == whole_);
      if (own_ != whole_) {
        PaddedWeights(own_, whole_).take(paddedGradient_.data(), options_.weight.gradient, add);
      }
    }
    if (data_) {
      dataWeight_.makeForUse(program_.stream);
      dataPrimitive_.execute(program_.stream, dataArguments_);
    }
  }

 private:
  memory::desc plainWeight() const {
    const auto tag = options_.geometry.groups == 1 ? memory::format_tag::abcd : memory::format_tag::abcde;
    return {whole_, memory::data_type::f32, tag};
  }

  dnnl::primitive_attr attributes() const {
    dnnl::primitive_attr attributes = scratchpadAttributes();
    dnnl::post_ops after;
    const auto& [low, high, _] = options_.clamp;
    if (options_.residual) after.append_sum(1);
    if (low == 0 && high == INFINITY) after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    else if (low != -INFINITY || high != INFINITY) after.append_eltwise(1, dnnl::algorithm::eltwise_clip, low, high);
    if (after.len() > 0) attributes.set_post_ops(after);
    return attributes;
  }

  Forward::primitive_desc hintFor(Algorithm algorithm, const Shapes& shapes) const {
    return describeForward(program_.engine, true, algorithm, shapes, nullptr, {});
  }

  Program& program_;
  Value& input_;
  Value& output_;
  ConvolutionOptions options_;
  Forward::primitive_desc forward_;
  BackwardData::primitive_desc data_;
  BackwardWeights::primitive_desc weights_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
  bool inPlace_ = false;
  // The weights' own sizes, and those of whole blocks of channels. Where they differ, `padded_` stands between.
  memory::dims own_, whole_;
  std::vector<float> padded_, paddedGradient_, paddedBias_;
  WeightCopy forwardWeight_, dataWeight_;
  WeightGradient weightGradient_;
  Scratchpad forwardScratchpad_, dataScratchpad_, weightScratchpad_;
  dnnl::primitive forwardPrimitive_, dataPrimitive_, weightPrimitive_;
  Arguments forwardArguments_, dataArguments_, weightArguments_;
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

double timeConvolution(const std::array<int64_t, 4>& images, int64_t outChannels, const Geometry& g, bool bf16,
                       Algorithm algorithm, int pass, int repeats) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto [n, c, h, w] = images;
  const auto out = [&](int axis, int64_t size) {
    return (size + g.before[axis] + g.after[axis] - g.kernel[axis]) / g.stride[axis] + 1;
  };
  const auto blocked = memory::format_tag::aBcd16b, any = memory::format_tag::any;
  const memory::dims weight = weightDims(outChannels, c, g);
  Shapes s = {{{n, c, h, w}, type, c < kBlock && g.groups == 1 ? any : blocked},
              {weight, type, any},
              {{n, outChannels, out(0, h), out(1, w)}, type, blocked},
              dims(g.stride),
              dims(g.before),
              dims(g.after)};
  try {
    const auto forward = describeForward(engine, true, algorithm, s, nullptr, {});
    s.source = forward.src_desc();
    const auto filled = [&](const memory::desc& layout) {
      memory result(layout, engine);
      std::memset(result.get_data_handle(), 0, layout.get_size());
      return result;
    };
    dnnl::primitive primitive;
    Arguments arguments;
    if (pass == 0) {
      primitive = Forward(forward);
      arguments = {{DNNL_ARG_SRC, filled(forward.src_desc())},
                   {DNNL_ARG_WEIGHTS, filled(forward.weights_desc())},
                   {DNNL_ARG_DST, filled(forward.dst_desc())}};
    } else if (pass == 1) {
      const BackwardData::primitive_desc data(
          {oneDnnAlgorithm(algorithm), s.source, s.weight, s.destination, s.stride, s.before, s.after}, engine, forward);
      primitive = BackwardData(data);
      arguments = {{DNNL_ARG_DIFF_DST, filled(data.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, filled(data.weights_desc())},
                   {DNNL_ARG_DIFF_SRC, filled(data.diff_src_desc())}};
    } else {
      const memory::desc gradient(weight, memory::data_type::f32, any);
      const BackwardWeights::primitive_desc weights(
          {oneDnnAlgorithm(algorithm), s.source, gradient, s.destination, s.stride, s.before, s.after}, engine, forward);
      primitive = BackwardWeights(weights);
      arguments = {{DNNL_ARG_SRC, filled(weights.src_desc())},
                   {DNNL_ARG_DIFF_DST, filled(weights.diff_dst_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, filled(weights.diff_weights_desc())}};
    }
    return fastestSeconds(primitive, arguments, stream, repeats);
  } catch (const dnnl::error&) {
    return -1;
  }
}

}  // namespace knack::cpu
