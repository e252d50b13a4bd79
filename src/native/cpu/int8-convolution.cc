// Convolutions of uint8 with int8 by oneDNN, and what becomes one with them: rounding to the result's steps, a residual, an activation.
#include <optional>

#include "convolution-passes.h"
#include "int8-products.h"
#include "residual-sum.h"

namespace knack::cpu {

namespace {

// What is cut off, in the result's steps.
struct Bounds {
  float low, high;
};

std::optional<Bounds> boundsOf(const Reader& read, const char* key) {
  if (!read.has(key)) return std::nullopt;
  const Reader inner = read.within(key);
  return Bounds{static_cast<float>(inner.number("low")), static_cast<float>(inner.number("high"))};
}

struct Int8ConvolutionOptions {
  Geometry geometry;
  // The integer that stands for the zeros around images.
  int32_t padding = 0;
  std::optional<Bounds> bounds;
  // Added once the convolution's own result is within `before`.
  Value* residual = nullptr;
  float residualFactor = 0;
  std::optional<Bounds> before;
};

class Int8Convolution final : public Int8Operation {
 public:
  // @param weight [out, in / groups, height, width]
  Int8Convolution(Program& program, Value& input, Value& output, Scaling scaling, std::vector<int8_t> weight, Int8ConvolutionOptions options)
      : Int8Operation(program),
        input_(input),
        output_(output),
        scaling_(std::move(scaling)),
        options_(std::move(options)),
        weights_(std::move(weight), weightDims(output.c, input.c, options_.geometry)) {
    const Geometry& g = options_.geometry;
    const bool grouped = g.groups > 1;
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    scaling_.describe(attributes, grouped ? (1 << 0) + (1 << 1) : 1 << 0);
    if (options_.padding != 0) tellPadding(attributes);
    attributes.set_post_ops(whatFollows());
    forward_ = described<Forward>(program.engine, attributes, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                  input.layout, weights_.any(), scaling_.bias(), output.layout, dims(g.stride), dims(g.before), dims(g.after));
    refuseReference(forward_, "a convolution in integers", output.n * output.h * output.w * product(weightDims(output.c, input.c, g), 0));
  }

  const char* kind() const override { return "convolution"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    residualSum_.plan(program_, options_.residual, input_, output_, moment);
    program_.write(output_, moment);
    weights_.plan(program_, forward_.weights_desc());
    scratchpad_.plan(program_, forward_.scratchpad_desc(), moment);
  }

  void bind() override {
    arguments_ = {{DNNL_ARG_SRC, bound(program_, input_.layout, input_.data)},
                  {DNNL_ARG_WEIGHTS, weights_.bind(program_)},
                  {DNNL_ARG_DST, bound(program_, output_.layout, output_.data)}};
    scaling_.bind(program_.engine, arguments_);
#if DNNL_VERSION_MAJOR >= 3
    if (options_.padding != 0) {
      const memory::desc one({1}, memory::data_type::s32, memory::format_tag::a);
      arguments_[DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC] = memory(one, program_.engine, &options_.padding);
    }
#endif
    scratchpad_.bind(program_, arguments_);
    primitive_ = Forward(forward_);
  }

  void forward() override {
    residualSum_.prepare(program_, output_);
    primitive_.execute(program_.stream, arguments_);
  }

 private:
  void tellPadding(dnnl::primitive_attr& attributes) const {
#if DNNL_VERSION_MAJOR >= 3
    attributes.set_zero_points_mask(DNNL_ARG_SRC, 0);
#else
    attributes.set_zero_points(DNNL_ARG_SRC, 0, {options_.padding});
#endif
  }

  dnnl::post_ops whatFollows() const {
    dnnl::post_ops after;
    const auto clip = [&](const Bounds& bounds) { appendEltwise(after, dnnl::algorithm::eltwise_clip, bounds.low, bounds.high); };
    if (options_.before) clip(*options_.before);
    if (options_.residual) after.append_sum(options_.residualFactor);
    if (options_.bounds) clip(*options_.bounds);
    return after;
  }

  Value& input_;
  Value& output_;
  Scaling scaling_;
  Int8ConvolutionOptions options_;
  Int8Weights weights_;
  Forward::primitive_desc forward_;
  ResidualSum residualSum_;
  Scratchpad scratchpad_;
  dnnl::primitive primitive_;
  Arguments arguments_;
};

const Registration int8Convolution("int8Convolution", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = asIntegers(read.input("input"));
  Value& output = asIntegers(read.value("output"));
  Int8ConvolutionOptions options;
  options.geometry = read.geometry();
  options.geometry.groups = static_cast<int64_t>(read.number("groups"));
  const Geometry& g = options.geometry;
  if (g.groups < 1 || input.c % g.groups != 0 || output.c % g.groups != 0) {
    throw std::invalid_argument("groups do not divide the channels");
  }
  requireShape(output, output.c, windows(input.h, g, 0), windows(input.w, g, 1));
  auto weight = read.copyOfIntegers("weight", output.c * input.c / g.groups * g.kernel[0] * g.kernel[1]);
  options.padding = static_cast<int32_t>(read.number("zeroPoint"));
  options.bounds = boundsOf(read, "bounds");
  if (read.has("residual")) {
    options.residual = &asIntegers(read.input("residual"));
    requireShape(*options.residual, output.c, output.h, output.w);
    options.residualFactor = static_cast<float>(read.number("residualFactor"));
    options.before = boundsOf(read, "before");
  }
  Scaling scaling(read.copyOfFloats("scales", output.c), read.copyOfFloats("offsets", output.c));
  return std::make_unique<Int8Convolution>(read.program(), input, output, std::move(scaling), std::move(weight), std::move(options));
});

}  // namespace

}  // namespace knack::cpu
