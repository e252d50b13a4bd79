#include "batch-statistics.h"

#include <algorithm>

namespace knack::cpu {

void BatchStatistics::settle(int64_t block) {
  const double count = static_cast<double>(input_.pixels());
  for (int64_t c = block * kBlock; c < std::min((block + 1) * kBlock, input_.c); ++c) {
    double mean = 0, squares = 0;
    if (norm_.batchStatistics) {
      double seen = 0;
      for (int64_t n = 0; n < input_.n; ++n) {
        const double added = partial(n, block, 0)[c % kBlock], difference = added - mean, total = seen + count;
        // Not by the difference: an infinite mean stays one.
        mean = (mean * seen + added * count) / total;
        squares += partial(n, block, 1)[c % kBlock] + difference * difference * seen * count / total;
        seen = total;
      }
      const double momentum = norm_.momentum;
      norm_.runningMean[c] += static_cast<float>(momentum * (mean - norm_.runningMean[c]));
      norm_.runningVariance[c] += static_cast<float>(momentum * (squares / (seen - 1) - norm_.runningVariance[c]));
      squares /= seen;
    } else {
      mean = norm_.runningMean[c];
      squares = norm_.runningVariance[c];
    }
    const double inverse = 1 / std::sqrt(squares + norm_.eps), scale = norm_.gamma.data[c] * inverse;
    mean_[c] = static_cast<float>(mean);
    inverse_[c] = static_cast<float>(inverse);
    scale_[c] = static_cast<float>(scale);
    shift_[c] = static_cast<float>(norm_.beta.data[c] - mean * scale);
  }
}

void BatchStatistics::settleGradient(int64_t block, bool accumulate) {
  const double count = static_cast<double>(input_.n) * static_cast<double>(input_.pixels());
  for (int64_t c = block * kBlock; c < std::min((block + 1) * kBlock, input_.c); ++c) {
    double sum = 0, product = 0;
    for (int64_t n = 0; n < input_.n; ++n) {
      sum += partial(n, block, 0)[c % kBlock];
      product += partial(n, block, 1)[c % kBlock];
    }
    const double inverse = inverse_[c], gammaGradient = product * inverse;
    const double a = norm_.gamma.data[c] * inverse;
    if (float* g = norm_.gamma.gradient) g[c] = static_cast<float>(gammaGradient + (accumulate ? g[c] : 0));
    if (float* g = norm_.beta.gradient) g[c] = static_cast<float>(sum + (accumulate ? g[c] : 0));
    a_[c] = static_cast<float>(a);
    b_[c] = norm_.batchStatistics ? static_cast<float>(-a * inverse * gammaGradient / count) : 0;
    c_[c] = norm_.batchStatistics ? static_cast<float>(-a * sum / count) : 0;
  }
}

}  // namespace knack::cpu
