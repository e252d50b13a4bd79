// Batch normalisation with what follows it: an optional addition (the residual, which may have a batch norm of its own) and a clamp (ReLU, ReLU6), in
// two readings of the input forward and two backward.
#include <optional>

#include "batch-statistics.h"
#include "reader.h"

namespace knack::cpu {

namespace {

struct BatchNormOptions {
  NormParameters norm;
  Value* residual = nullptr;
  std::optional<NormParameters> residualNorm;  // the residual is normalised too
  Clamp clamp;
};

class BatchNorm final : public Operation {
 public:
  BatchNorm(Program& program, Value& input, Value& output, const BatchNormOptions& options)
      : program_(program), input_(input), output_(output), options_(options), statistics_(input, options.norm) {
    if (options.residualNorm) residualStatistics_.emplace(*options.residual, *options.residualNorm);
    const auto learns = [](const NormParameters& norm) { return norm.gamma.gradient || norm.beta.gradient; };
    output.needsGradient = input.needsGradient || learns(options.norm) ||
                           (options.residual && options.residual->needsGradient) ||
                           (options.residualNorm && learns(*options.residualNorm));
  }

  const char* kind() const override { return "batch norm"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    if (options_.residual) program_.read(*options_.residual, moment);
    // For inference the result takes the input's place where nobody else reads it.
    if (!program_.settings.training && input_.lastRead == moment) output_.data = input_.data;
    program_.write(output_, moment);
    program_.read(output_, moment);
    const bool noted = program_.settings.training && options_.residual && isClamped();
    if (noted) passed_ = program_.newBuffer(input_.n * input_.blocks() * input_.pixels() * sizeof(Passed), moment);
  }

  void planBackward(int moment) override {
    if (!output_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    program_.read(input_, moment);
    if (passed_) passed_->last = moment;
    if (options_.residual) {
      if (residualStatistics_) program_.read(*options_.residual, moment);
      // The gated gradient is the residual's share as it stands, or its place is that of the residual's own.
      if (options_.residual->needsGradient) options_.residual->gradients.push_back(gradient_);
      if (input_.needsGradient) share_ = program_.addGradient(input_, moment);
    } else if (input_.needsGradient) {
      share_ = gradient_;
      input_.gradients.push_back(gradient_);
    }
  }

  void bind() override {}

  void forward() override {
    withElementType(program_, [&](auto* type) { forwardAs<std::remove_pointer_t<decltype(type)>>(); });
  }

  void backward() override {
    if (!gradient_) return;
    withElementType(program_, [&](auto* type) { backwardAs<std::remove_pointer_t<decltype(type)>>(); });
  }

 private:
  // Where the notes of an image's block of channels begin: one for each pixel, in every layout.
  size_t notes(int64_t n, int64_t block) const { return (n * input_.blocks() + block) * input_.pixels(); }
  bool isClamped() const { return options_.clamp.low != -INFINITY || options_.clamp.high != INFINITY; }

  template <typename T>
  void forwardAs() {
    const T* x = at<T>(input_.data);
    const T* residual = options_.residual ? at<T>(options_.residual->data) : nullptr;
    T* y = at<T>(output_.data);
    Passed* passed = passed_ ? at<Passed>(passed_) : nullptr;
    statistics_.twice(
        [&](int64_t n, int64_t block) {
          statistics_.read(x, n, block);
          if (residualStatistics_) residualStatistics_->read(residual, n, block);
        },
        [&](int64_t block) {
          statistics_.settle(block);
          if (residualStatistics_) residualStatistics_->settle(block);
        },
        [&](int64_t n, int64_t block) {
          const size_t start = input_.blockStart(n, block);
          const Line line = statistics_.line(block), own = residualStatistics_ ? residualStatistics_->line(block) : Line{};
          normalise<T>(x + start, residual ? residual + start : nullptr, y + start, passed ? passed + notes(n, block) : nullptr,
                       input_.pixels(), input_.pixelStride(), line, residualStatistics_ ? &own : nullptr, options_.clamp);
        });
  }

  template <typename T>
  void backwardAs() {
    // Two shares are added on the way; more are added up before.
    auto& shares = output_.gradients;
    const bool fused = shares.size() == 2;
    if (!fused) program_.gatherGradient(output_);
    T* g = at<T>(gradient_);
    const T* g2 = fused ? at<T>(shares[1]) : nullptr;
    const T* x = at<T>(input_.data);
    const T* residual = residualStatistics_ ? at<T>(options_.residual->data) : nullptr;
    const Passed* passed = passed_ ? at<Passed>(passed_) : nullptr;
    const bool clamped = isClamped();
    // Without a residual the gate is found from x twice, rather than written and read.
    const bool keep = options_.residual != nullptr || g2 != nullptr;
    T* gated = keep ? g : nullptr;
    T* dx = share_ ? at<T>(share_) : nullptr;
    const Gate open = {nullptr, {}, options_.clamp.window};
    const auto gateOf = [&](int64_t n, int64_t block) -> Gate {
      if (!clamped) return open;
      if (passed) return {passed + notes(n, block), {}, options_.clamp.window};
      return {nullptr, statistics_.line(block), options_.clamp.window};
    };
    statistics_.twice(
        [&](int64_t n, int64_t block) {
          statistics_.readGradient<T>(g, g2, x, gateOf(n, block), gated, n, block);
          if (residual) residualStatistics_->readGradient<T>(g, nullptr, residual, open, nullptr, n, block);
        },
        [&](int64_t block) {
          statistics_.settleGradient(block, program_.accumulating());
          if (residual) residualStatistics_->settleGradient(block, program_.accumulating());
        },
        [&](int64_t n, int64_t block) {
          const Gate gate = gateOf(n, block);
          if (dx) statistics_.apply<T>(g, x, keep || !clamped ? nullptr : &gate, dx, n, block);
          if (residual && options_.residual->needsGradient) residualStatistics_->apply<T>(g, residual, nullptr, g, n, block);
        });
  }

  Program& program_;
  Value& input_;
  Value& output_;
  BatchNormOptions options_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
  // What the clamp let through, where that cannot be found from the input alone.
  Buffer* passed_ = nullptr;
  BatchStatistics statistics_;
  std::optional<BatchStatistics> residualStatistics_;
};

NormParameters readNorm(const Reader& read, size_t channels) {
  NormParameters norm;
  norm.gamma = read.parameter("gamma", "gammaGradient", channels);
  norm.beta = read.parameter("beta", "betaGradient", channels);
  norm.runningMean = read.floats("runningMean", channels);
  norm.runningVariance = read.floats("runningVariance", channels);
  norm.eps = static_cast<float>(read.number("eps"));
  norm.momentum = static_cast<float>(read.number("momentum"));
  norm.batchStatistics = read.flag("batchStatistics");
  return norm;
}

const Registration batchNorm("batchNorm", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  requireShape(output, input.c, input.h, input.w);
  BatchNormOptions options;
  options.norm = readNorm(read, input.c);
  if (read.has("residual")) options.residual = &read.input("residual");
  if (read.has("residualNorm")) {
    if (!options.residual || !read.program().settings.training) {
      throw std::invalid_argument("residualNorm: in training, of a residual");
    }
    options.residualNorm = readNorm(read.within("residualNorm"), input.c);
  }
  options.clamp = read.clamp();
  return std::make_unique<BatchNorm>(read.program(), input, output, options);
});

}  // namespace

}  // namespace knack::cpu
