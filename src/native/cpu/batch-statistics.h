// The channels of a batch norm: their statistics, forward, and what becomes of gradients, backward; and how its two readings of the input are shared
// out among threads.
#pragma once

#include <omp.h>

#include <vector>

#include "program.h"

namespace knack::cpu {

struct NormParameters {
  Parameter gamma, beta;
  float* runningMean;
  float* runningVariance;
  float eps, momentum;
  bool batchStatistics;
};

class BatchStatistics {
 public:
  BatchStatistics(const Value& input, const NormParameters& norm) : input_(input), norm_(norm) {
    const size_t padded = input.blocks() * kBlock;
    for (auto* row : {&mean_, &inverse_, &scale_, &shift_, &a_, &b_, &c_}) row->assign(padded, 0);
    partial_.assign(2 * input.n * padded, 0);
  }

  // Runs first(n, block) for every image and block of channels, middle(block) after the last image of a block, then second(n, block). A thread takes
  // a block through all three where there are blocks enough, so that the second reading finds it in the cache.
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

  // The statistics of a block's channels, from those of its images or the running ones, and what is made of them.
  void settle(int64_t block);
  // dx = gamma / deviation (g - mean(g) - x^ mean(g x^)), written as a g + b (x - mean) + c; and the parameters' gradients.
  void settleGradient(int64_t block, bool accumulate);

  // The first reading of an image's block of channels, forward and backward.
  template <typename T>
  void read(const T* x, int64_t n, int64_t block) {
    if (!norm_.batchStatistics) return;
    channelStatistics<T>(x + input_.blockStart(n, block), input_.pixels(), input_.pixelStride(), partial(n, block, 0), partial(n, block, 1));
  }
  template <typename T>
  void readGradient(const T* g, const T* g2, const T* x, const Gate& gate, T* gated, int64_t n, int64_t block) {
    const size_t start = input_.blockStart(n, block);
    reduceGradient<T>(g + start, g2 ? g2 + start : nullptr, x + start, gate, gated ? gated + start : nullptr, input_.pixels(),
                      input_.pixelStride(), mean_.data() + block * kBlock, partial(n, block, 0), partial(n, block, 1));
  }
  // The second one, backward.
  template <typename T>
  void apply(const T* g, const T* x, const Gate* gate, T* dx, int64_t n, int64_t block) const {
    const size_t start = input_.blockStart(n, block), c = block * kBlock;
    applyGradient<T>(g + start, x + start, gate, dx + start, input_.pixels(), input_.pixelStride(), mean_.data() + c,
                     a_.data() + c, b_.data() + c, c_.data() + c);
  }

  Line line(int64_t block) const { return {scale_.data() + block * kBlock, shift_.data() + block * kBlock}; }

 private:
  // Two rows of sums that the first reading leaves for settling.
  float* partial(int64_t n, int64_t block, int which) {
    return partial_.data() + ((block * input_.n + n) * 2 + which) * kBlock;
  }

  const Value& input_;
  NormParameters norm_;
  std::vector<float> mean_, inverse_, scale_, shift_, a_, b_, c_;
  // For each block and image: two rows of kBlock sums.
  std::vector<float> partial_;
};

}  // namespace knack::cpu
