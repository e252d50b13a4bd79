// Batch normalisation with what follows it: an optional addition (the residual) and a clamp (ReLU, ReLU6), in two readings of the input
// forward and two backward. A thread takes a block of channels through both, so that the second reading finds it in the cache.
#include <omp.h>

#include <algorithm>
#include <vector>

#include "program.h"

namespace knack::fast {

namespace {

class BatchNorm final : public Operation {
 public:
  BatchNorm(Program& program, Value& input, Value& output, const BatchNormOptions& options)
      : program_(program), input_(input), output_(output), options_(options) {
    output.needsGradient = input.needsGradient || options.gamma.gradient || options.beta.gradient ||
                           (options.residual && options.residual->needsGradient);
    const size_t padded = input.blocks() * kBlock;
    for (auto* row : {&mean_, &inverse_, &scale_, &shift_, &a_, &b_, &c_}) row->assign(padded, 0);
    partial_.assign(2 * input.n * padded, 0);
  }

  const char* kind() const override { return "batch norm"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    if (options_.residual) program_.read(*options_.residual, moment);
    // For inference the result takes the input's place where nobody else reads it.
    if (!program_.settings.training && input_.lastRead == moment) output_.data = input_.data;
    program_.write(output_, moment);
    program_.read(output_, moment);
    const bool notes = program_.settings.training && options_.residual && isClamped();
    if (notes) passed_ = program_.newBuffer(input_.n * input_.blocks() * input_.pixels() * sizeof(Passed), moment);
  }

  void planBackward(int moment) override {
    if (!output_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    program_.read(input_, moment);
    if (passed_) passed_->last = moment;
    if (options_.residual) {
      // The gated gradient is the residual's share as it stands.
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
  // Runs body(n, block) for every image and block of channels, and finish(block) after the last image of a block, then body2(n, block).
  template <typename First, typename Middle, typename Second>
  void twice(First first, Middle middle, Second second) {
    const int64_t blocks = input_.blocks(), images = input_.n;
    const int threads = omp_get_max_threads();
    if (blocks % threads == 0 || blocks >= 8 * threads) {
#pragma omp parallel for schedule(static)
      for (int64_t block = 0; block < blocks; ++block) {
        for (int64_t n = 0; n < images; ++n) first(n, block);
        middle(block);
        // Backwards: what was read last is still in the cache.
        for (int64_t n = images; n-- > 0;) second(n, block);
      }
      return;
    }
#pragma omp parallel
    {
#pragma omp for schedule(static) collapse(2)
      for (int64_t block = 0; block < blocks; ++block) {
        for (int64_t n = 0; n < images; ++n) first(n, block);
      }
#pragma omp for schedule(static)
      for (int64_t block = 0; block < blocks; ++block) middle(block);
#pragma omp for schedule(static) collapse(2)
      for (int64_t block = 0; block < blocks; ++block) {
        for (int64_t n = 0; n < images; ++n) second(n, block);
      }
    }
  }

  bool isClamped() const { return options_.clamp.low != -INFINITY || options_.clamp.high != INFINITY; }
  size_t offset(int64_t n, int64_t block) const { return (n * input_.blocks() + block) * input_.pixels() * kBlock; }
  float* partial(int64_t n, int64_t block, int which) {
    return partial_.data() + ((block * input_.n + n) * 2 + which) * kBlock;
  }

  template <typename T>
  static T* at(Buffer* buffer) {
    return reinterpret_cast<T*>(buffer->address);
  }

  template <typename T>
  void forwardAs() {
    const T* x = at<T>(input_.data);
    const T* residual = options_.residual ? at<T>(options_.residual->data) : nullptr;
    T* y = at<T>(output_.data);
    const size_t pixels = input_.pixels();
    Passed* passed = passed_ ? at<Passed>(passed_) : nullptr;
    twice(
        [&](int64_t n, int64_t block) {
          if (!options_.batchStatistics) return;
          channelStatistics<T>(x + offset(n, block), pixels, partial(n, block, 0), partial(n, block, 1));
        },
        [&](int64_t block) { settle(block); },
        [&](int64_t n, int64_t block) {
          const size_t start = offset(n, block);
          normalise<T>(x + start, residual ? residual + start : nullptr, y + start, passed ? passed + start / kBlock : nullptr,
                       pixels, scale_.data() + block * kBlock, shift_.data() + block * kBlock, options_.clamp);
        });
  }

  // The statistics of a block's channels, from those of its images or the running ones, and what is made of them.
  void settle(int64_t block) {
    const double count = static_cast<double>(input_.pixels());
    for (int64_t c = block * kBlock; c < std::min((block + 1) * kBlock, input_.c); ++c) {
      double mean = 0, squares = 0;
      if (options_.batchStatistics) {
        double seen = 0;
        for (int64_t n = 0; n < input_.n; ++n) {
          const double difference = partial(n, block, 0)[c % kBlock] - mean, total = seen + count;
          mean += difference * count / total;
          squares += partial(n, block, 1)[c % kBlock] + difference * difference * seen * count / total;
          seen = total;
        }
        const double momentum = options_.momentum;
        options_.runningMean[c] += static_cast<float>(momentum * (mean - options_.runningMean[c]));
        options_.runningVariance[c] += static_cast<float>(momentum * (squares / (seen - 1) - options_.runningVariance[c]));
        squares /= seen;
      } else {
        mean = options_.runningMean[c];
        squares = options_.runningVariance[c];
      }
      const double inverse = 1 / std::sqrt(squares + options_.eps), scale = options_.gamma.data[c] * inverse;
      mean_[c] = static_cast<float>(mean);
      inverse_[c] = static_cast<float>(inverse);
      scale_[c] = static_cast<float>(scale);
      shift_[c] = static_cast<float>(options_.beta.data[c] - mean * scale);
    }
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
    const Passed* passed = passed_ ? at<Passed>(passed_) : nullptr;
    const bool clamped = isClamped();
    // Without a residual the gate is found from x twice, rather than written and read.
    const bool keep = options_.residual != nullptr || g2 != nullptr;
    T* gated = keep ? g : nullptr;
    T* dx = share_ ? at<T>(share_) : nullptr;
    const size_t pixels = input_.pixels();
    const auto gateOf = [&](int64_t n, int64_t block) -> Gate {
      if (!clamped) return {nullptr, nullptr, nullptr, options_.clamp.window};
      if (passed) return {passed + offset(n, block) / kBlock, nullptr, nullptr, options_.clamp.window};
      return {nullptr, scale_.data() + block * kBlock, shift_.data() + block * kBlock, options_.clamp.window};
    };
    twice(
        [&](int64_t n, int64_t block) {
          const size_t start = offset(n, block);
          reduceGradient<T>(g + start, g2 ? g2 + start : nullptr, x + start, gateOf(n, block),
                            gated ? gated + start : nullptr, pixels, mean_.data() + block * kBlock, partial(n, block, 0),
                            partial(n, block, 1));
        },
        [&](int64_t block) { settleGradient(block); },
        [&](int64_t n, int64_t block) {
          if (!dx) return;
          const size_t start = offset(n, block);
          const Gate gate = gateOf(n, block);
          applyGradient<T>(g + start, x + start, keep || !clamped ? nullptr : &gate, dx + start, pixels,
                           mean_.data() + block * kBlock, a_.data() + block * kBlock, b_.data() + block * kBlock,
                           c_.data() + block * kBlock);
        });
  }

  // dx = gamma / deviation (g - mean(g) - x^ mean(g x^)), written as a g + b (x - mean) + c.
  void settleGradient(int64_t block) {
    const double count = static_cast<double>(input_.n) * static_cast<double>(input_.pixels());
    for (int64_t c = block * kBlock; c < std::min((block + 1) * kBlock, input_.c); ++c) {
      double sum = 0, product = 0;
      for (int64_t n = 0; n < input_.n; ++n) {
        sum += partial(n, block, 0)[c % kBlock];
        product += partial(n, block, 1)[c % kBlock];
      }
      const double inverse = inverse_[c], gammaGradient = product * inverse;
      const double a = options_.gamma.data[c] * inverse;
      const bool add = program_.accumulating();
      if (float* g = options_.gamma.gradient) g[c] = static_cast<float>(gammaGradient + (add ? g[c] : 0));
      if (float* g = options_.beta.gradient) g[c] = static_cast<float>(sum + (add ? g[c] : 0));
      a_[c] = static_cast<float>(a);
      b_[c] = options_.batchStatistics ? static_cast<float>(-a * inverse * gammaGradient / count) : 0;
      c_[c] = options_.batchStatistics ? static_cast<float>(-a * sum / count) : 0;
    }
  }

  Program& program_;
  Value& input_;
  Value& output_;
  BatchNormOptions options_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
  // What the clamp let through, where that cannot be found from the input alone.
  Buffer* passed_ = nullptr;
  std::vector<float> mean_, inverse_, scale_, shift_, a_, b_, c_;
  // For each block and image: two rows of kBlock sums.
  std::vector<float> partial_;
};

}  // namespace

std::unique_ptr<Operation> makeBatchNorm(Program& program, Value& input, Value& output, const BatchNormOptions& options) {
  return std::make_unique<BatchNorm>(program, input, output, options);
}

}  // namespace knack::fast
