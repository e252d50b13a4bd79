#include "kernels.h"

#include <cstring>

#include "instruction-sets.h"

namespace knack::cpu {

namespace {

KNACK_INLINE float load(float value) { return value; }
KNACK_INLINE float load(bfloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

KNACK_INLINE void store(float* place, float value) { *place = value; }
// Rounds to nearest, ties to even. A quiet NaN stays one.
KNACK_INLINE void store(bfloat16* place, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  *place = static_cast<bfloat16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// NaN goes through, as in libtorch.
KNACK_INLINE float clamp(float value, float low, float high) {
  value = value < low ? low : value;
  return value > high ? high : value;
}

// A mask and no branch, so that loops over channels become vectors.
KNACK_INLINE bool letsThrough(const Window& window, float value) {
  return !((value <= window.low) | (value >= window.high) | ((value != value) & !window.nan));
}

// Pixels that fit the first cache with room to spare: their second reading costs little.
constexpr size_t kChunk = 256;

template <int B, typename T>
KNACK_INLINE void statisticsLoop(const T* x, size_t pixels, size_t stride, float* mean, float* squares) {
  float count = 0;
  for (int c = 0; c < B; ++c) mean[c] = squares[c] = 0;
  for (size_t start = 0; start < pixels; start += kChunk) {
    const size_t size = pixels - start < kChunk ? pixels - start : kChunk;
    const T* chunk = x + start * stride;
    // Two pixels at a time: an addition need not wait for the one before.
    float sum[2 * B] = {}, local[2 * B] = {};
    const size_t pairs = size / 2;
    for (size_t p = 0; p < pairs; ++p) {
      const T* first = chunk + 2 * p * stride;
      const T* second = first + stride;
      for (int c = 0; c < B; ++c) sum[c] += load(first[c]);
      for (int c = 0; c < B; ++c) sum[B + c] += load(second[c]);
    }
    if (size % 2 == 1) {
      for (int c = 0; c < B; ++c) sum[c] += load(chunk[2 * pairs * stride + c]);
    }
    float middle[B];
    const float inverse = 1.0f / static_cast<float>(size);
    for (int c = 0; c < B; ++c) middle[c] = (sum[c] + sum[B + c]) * inverse;
    for (size_t p = 0; p < pairs; ++p) {
      const T* first = chunk + 2 * p * stride;
      const T* second = first + stride;
      for (int c = 0; c < B; ++c) {
        const float deviation = load(first[c]) - middle[c];
        local[c] += deviation * deviation;
      }
      for (int c = 0; c < B; ++c) {
        const float deviation = load(second[c]) - middle[c];
        local[B + c] += deviation * deviation;
      }
    }
    for (int c = 0; size % 2 == 1 && c < B; ++c) {
      const float deviation = load(chunk[2 * pairs * stride + c]) - middle[c];
      local[c] += deviation * deviation;
    }
    // Chan, Golub and LeVeque: statistics of two parts joined.
    const float added = static_cast<float>(size), total = count + added;
    const float share = added / total, rest = count / total, weight = count * added / total;
    for (int c = 0; c < B; ++c) {
      const float difference = middle[c] - mean[c];
      // Not by the difference: an infinite mean stays one.
      mean[c] = mean[c] * rest + middle[c] * share;
      squares[c] += local[c] + local[B + c] + difference * difference * weight;
    }
    count = total;
  }
}

enum class Residual { None, Plain, Line };

template <int B, Residual With, bool Note, typename T>
KNACK_INLINE void normaliseLoop(const T* x, const T* residual, T* y, Passed* passed, size_t pixels, size_t stride,
                                const Line& line, const Line* residualLine, const Clamp& by) {
  float a[B], b[B], own[B] = {};
  for (int c = 0; c < B; ++c) {
    a[c] = line.scale[c], b[c] = line.shift[c];
    if (With == Residual::Line) own[c] = residualLine->scale[c], b[c] += residualLine->shift[c];
  }
  const float low = by.low, high = by.high;
  const Window window = by.window;
  for (size_t p = 0; p < pixels; ++p) {
    unsigned bits = 0;
    KNACK_INDEPENDENT
    for (int c = 0; c < B; ++c) {
      const size_t i = p * stride + c;
      float value = load(x[i]) * a[c] + b[c];
      if (With == Residual::Plain) value += load(residual[i]);
      if (With == Residual::Line) value += load(residual[i]) * own[c];
      if (Note) bits |= static_cast<unsigned>(letsThrough(window, value)) << c;
      store(y + i, clamp(value, low, high));
    }
    if (Note) passed[p] = static_cast<Passed>(bits);
  }
}

enum class GateBy { Nothing, Passed, Input };

template <int B, GateBy By, bool Two, bool Write, typename T>
KNACK_INLINE void reduceLoop(const T* g, const T* g2, const T* x, const Gate& gate, T* gated, size_t pixels,
                             size_t stride, const float* mean, float* sum, float* product) {
  float middle[B], a[B] = {}, b[B] = {};
  unsigned bit[B];
  for (int c = 0; c < B; ++c) middle[c] = mean[c], sum[c] = product[c] = 0, bit[c] = 1u << c;
  if (By == GateBy::Input) {
    for (int c = 0; c < B; ++c) a[c] = gate.line.scale[c], b[c] = gate.line.shift[c];
  }
  const Window window = gate.window;
  for (size_t start = 0; start < pixels; start += kChunk) {
    const size_t end = start + kChunk < pixels ? start + kChunk : pixels;
    float sums[B] = {}, products[B] = {};
    for (size_t p = start; p < end; ++p) {
      const unsigned passed = By == GateBy::Passed ? gate.passed[p] : 0;
      KNACK_INDEPENDENT
      for (int c = 0; c < B; ++c) {
        const size_t i = p * stride + c;
        const float input = load(x[i]);
        float value = load(g[i]);
        if (Two) value += load(g2[i]);
        if (By == GateBy::Passed) value = passed & bit[c] ? value : 0.0f;
        if (By == GateBy::Input) {
          const float y = input * a[c] + b[c];
          value = letsThrough(window, y) ? value : 0.0f;
        }
        if (Write) store(gated + i, value);
        sums[c] += value;
        products[c] += value * (input - middle[c]);
      }
    }
    for (int c = 0; c < B; ++c) sum[c] += sums[c], product[c] += products[c];
  }
}

template <int B, bool Gated, typename T>
KNACK_INLINE void applyLoop(const T* g, const T* x, const Gate* gate, T* dx, size_t pixels, size_t stride,
                            const float* mean, const float* a, const float* b, const float* c0) {
  float m[B], ka[B], kb[B], kc[B], scale[B] = {}, shift[B] = {};
  for (int c = 0; c < B; ++c) m[c] = mean[c], ka[c] = a[c], kb[c] = b[c], kc[c] = c0[c];
  Window window = {};
  if (Gated) {
    for (int c = 0; c < B; ++c) scale[c] = gate->line.scale[c], shift[c] = gate->line.shift[c];
    window = gate->window;
  }
  for (size_t p = 0; p < pixels; ++p) {
    KNACK_INDEPENDENT
    for (int c = 0; c < B; ++c) {
      const size_t i = p * stride + c;
      const float input = load(x[i]);
      float value = load(g[i]);
      if (Gated) {
        const float y = input * scale[c] + shift[c];
        value = letsThrough(window, y) ? value : 0.0f;
      }
      store(dx + i, ka[c] * value + kb[c] * (input - m[c]) + kc[c]);
    }
  }
}

template <bool Two, typename T>
KNACK_INLINE void addLoop(const T* a, const T* b, T* y, size_t count, float low, float high) {
  for (size_t i = 0; i < count; ++i) {
    float value = load(a[i]);
    if (Two) value += load(b[i]);
    store(y + i, clamp(value, low, high));
  }
}

template <bool Two, typename T>
KNACK_INLINE void gateLoop(const T* g, const T* a, const T* b, T* result, size_t count, Window window) {
  for (size_t i = 0; i < count; ++i) {
    float value = load(a[i]);
    if (Two) value += load(b[i]);
    store(result + i, letsThrough(window, value) ? load(g[i]) : 0.0f);
  }
}

template <typename T>
KNACK_INLINE bool nanLoop(const T* x, size_t count) {
  constexpr size_t kPiece = 4096;
  for (size_t start = 0; start < count; start += kPiece) {
    const size_t end = start + kPiece < count ? start + kPiece : count;
    int found = 0;
    for (size_t i = start; i < end; ++i) {
      const float value = load(x[i]);
      found |= value != value;
    }
    if (found) return true;
  }
  return false;
}

template <int B, typename T>
KNACK_INLINE void sumLoop(const T* x, size_t pixels, size_t stride, float* sum) {
  float sums[B] = {};
  for (size_t p = 0; p < pixels; ++p) {
    for (int c = 0; c < B; ++c) sums[c] += load(x[p * stride + c]);
  }
  for (int c = 0; c < B; ++c) sum[c] = sums[c];
}

template <int B, typename T>
KNACK_INLINE void spreadLoop(const float* value, T* y, size_t pixels, size_t stride) {
  float values[B];
  for (int c = 0; c < B; ++c) values[c] = value[c];
  for (size_t p = 0; p < pixels; ++p) {
    for (int c = 0; c < B; ++c) store(y + p * stride + c, values[c]);
  }
}

template <int B, typename T>
KNACK_INLINE void scaleLoop(const T* x, const T* factor, T* y, size_t pixels, size_t stride) {
  float factors[B];
  for (int c = 0; c < B; ++c) factors[c] = load(factor[c]);
  for (size_t p = 0; p < pixels; ++p) {
    KNACK_INDEPENDENT
    for (int c = 0; c < B; ++c) store(y + p * stride + c, load(x[p * stride + c]) * factors[c]);
  }
}

template <int B, typename T>
KNACK_INLINE void productLoop(const T* a, const T* b, T* sum, size_t pixels, size_t stride) {
  float sums[B] = {};
  for (size_t p = 0; p < pixels; ++p) {
    for (int c = 0; c < B; ++c) sums[c] += load(a[p * stride + c]) * load(b[p * stride + c]);
  }
  for (int c = 0; c < B; ++c) store(sum + c, sums[c]);
}

// Each kernel for blocks of B channels, with their instructions.
#define KNACK_FORMS(T, name, B)                                                                                                                     \
  KNACK_FOR_BLOCKS_OF_##B void statistics_##name##_##B(const T* x, size_t pixels, size_t stride, float* mean, float* squares) {                     \
    statisticsLoop<B>(x, pixels, stride, mean, squares);                                                                                            \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B void normalise_##name##_##B(const T* x, const T* residual, T* y, Passed* passed, size_t pixels, size_t stride,            \
                                     const Line& line, const Line* own, const Clamp& clamp) {                                                       \
    if (!residual) normaliseLoop<B, Residual::None, false>(x, residual, y, passed, pixels, stride, line, own, clamp);                               \
    else if (own && passed) normaliseLoop<B, Residual::Line, true>(x, residual, y, passed, pixels, stride, line, own, clamp);                       \
    else if (own) normaliseLoop<B, Residual::Line, false>(x, residual, y, passed, pixels, stride, line, own, clamp);                                \
    else if (passed) normaliseLoop<B, Residual::Plain, true>(x, residual, y, passed, pixels, stride, line, own, clamp);                             \
    else normaliseLoop<B, Residual::Plain, false>(x, residual, y, passed, pixels, stride, line, own, clamp);                                        \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B void reduce_##name##_##B(const T* g, const T* g2, const T* x, const Gate& gate, T* gated, size_t pixels, size_t stride,   \
                                  const float* mean, float* sum, float* product) {                                                                  \
    if (gate.passed) {                                                                                                                              \
      if (g2) reduceLoop<B, GateBy::Passed, true, true>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                 \
      else reduceLoop<B, GateBy::Passed, false, true>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                   \
    } else if (gate.line.scale) {                                                                                                                   \
      if (g2) reduceLoop<B, GateBy::Input, true, true>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                  \
      else if (gated) reduceLoop<B, GateBy::Input, false, true>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                         \
      else reduceLoop<B, GateBy::Input, false, false>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                   \
    } else {                                                                                                                                        \
      if (g2) reduceLoop<B, GateBy::Nothing, true, true>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                \
      else if (gated) reduceLoop<B, GateBy::Nothing, false, true>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                       \
      else reduceLoop<B, GateBy::Nothing, false, false>(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                 \
    }                                                                                                                                               \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B void apply_##name##_##B(const T* g, const T* x, const Gate* gate, T* dx, size_t pixels, size_t stride, const float* mean, \
                                 const float* a, const float* b, const float* c) {                                                                  \
    if (gate) applyLoop<B, true>(g, x, gate, dx, pixels, stride, mean, a, b, c);                                                                    \
    else applyLoop<B, false>(g, x, gate, dx, pixels, stride, mean, a, b, c);                                                                        \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B void add_##name##_##B(const T* a, const T* b, T* y, size_t count, float low, float high) {                                \
    if (b) addLoop<true>(a, b, y, count, low, high);                                                                                                \
    else addLoop<false>(a, b, y, count, low, high);                                                                                                 \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B void gate_##name##_##B(const T* g, const T* a, const T* b, T* result, size_t count, Window window) {                                  \
    if (b) gateLoop<true>(g, a, b, result, count, window);                                                                                      \
    else gateLoop<false>(g, a, b, result, count, window);                                                                                                          \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B bool nan_##name##_##B(const T* x, size_t count) { return nanLoop(x, count); }                                             \
  KNACK_FOR_BLOCKS_OF_##B void sum_##name##_##B(const T* x, size_t pixels, size_t stride, float* sum) { sumLoop<B>(x, pixels, stride, sum); }       \
  KNACK_FOR_BLOCKS_OF_##B void spread_##name##_##B(const float* value, T* y, size_t pixels, size_t stride) { spreadLoop<B>(value, y, pixels, stride); } \
  KNACK_FOR_BLOCKS_OF_##B void scale_##name##_##B(const T* x, const T* factor, T* y, size_t pixels, size_t stride) {                                \
    scaleLoop<B>(x, factor, y, pixels, stride);                                                                                                     \
  }                                                                                                                                                 \
  KNACK_FOR_BLOCKS_OF_##B void product_##name##_##B(const T* a, const T* b, T* sum, size_t pixels, size_t stride) {                                 \
    productLoop<B>(a, b, sum, pixels, stride);                                                                                                      \
  }

KNACK_FORMS(float, f32, 16)
KNACK_FORMS(float, f32, 8)
KNACK_FORMS(bfloat16, bf16, 16)
KNACK_FORMS(bfloat16, bf16, 8)

}  // namespace

#define KNACK_EXPORT(T, name)                                                                                                                       \
  template <>                                                                                                                                       \
  void channelStatistics<T>(const T* x, size_t pixels, size_t stride, float* mean, float* squares) {                                                \
    if (kBlock == 16) statistics_##name##_16(x, pixels, stride, mean, squares);                                                                     \
    else statistics_##name##_8(x, pixels, stride, mean, squares);                                                                                   \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void normalise<T>(const T* x, const T* residual, T* y, Passed* passed, size_t pixels, size_t stride, const Line& line,                            \
                    const Line* residualLine, const Clamp& clamp) {                                                                                 \
    if (kBlock == 16) normalise_##name##_16(x, residual, y, passed, pixels, stride, line, residualLine, clamp);                                     \
    else normalise_##name##_8(x, residual, y, passed, pixels, stride, line, residualLine, clamp);                                                   \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void reduceGradient<T>(const T* g, const T* g2, const T* x, const Gate& gate, T* gated, size_t pixels, size_t stride,                             \
                         const float* mean, float* sum, float* product) {                                                                           \
    if (kBlock == 16) reduce_##name##_16(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                                \
    else reduce_##name##_8(g, g2, x, gate, gated, pixels, stride, mean, sum, product);                                                              \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void applyGradient<T>(const T* g, const T* x, const Gate* gate, T* dx, size_t pixels, size_t stride, const float* mean,                           \
                        const float* a, const float* b, const float* c) {                                                                           \
    if (kBlock == 16) apply_##name##_16(g, x, gate, dx, pixels, stride, mean, a, b, c);                                                             \
    else apply_##name##_8(g, x, gate, dx, pixels, stride, mean, a, b, c);                                                                           \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void addClamped<T>(const T* a, const T* b, T* y, size_t count, float low, float high) {                                                           \
    if (kBlock == 16) add_##name##_16(a, b, y, count, low, high);                                                                                   \
    else add_##name##_8(a, b, y, count, low, high);                                                                                                 \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void gateGradient<T>(const T* g, const T* a, const T* b, T* result, size_t count, Window window) {                                                            \
    if (kBlock == 16) gate_##name##_16(g, a, b, result, count, window);                                                                                \
    else gate_##name##_8(g, a, b, result, count, window);                                                                                              \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  bool hasNaN<T>(const T* x, size_t count) {                                                                                                        \
    return kBlock == 16 ? nan_##name##_16(x, count) : nan_##name##_8(x, count);                                                                     \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void sumPixels<T>(const T* x, size_t pixels, size_t stride, float* sum) {                                                                         \
    if (kBlock == 16) sum_##name##_16(x, pixels, stride, sum);                                                                                      \
    else sum_##name##_8(x, pixels, stride, sum);                                                                                                    \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void spreadPixels<T>(const float* value, T* y, size_t pixels, size_t stride) {                                                                    \
    if (kBlock == 16) spread_##name##_16(value, y, pixels, stride);                                                                                 \
    else spread_##name##_8(value, y, pixels, stride);                                                                                               \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void scaleChannels<T>(const T* x, const T* factor, T* y, size_t pixels, size_t stride) {                                                          \
    if (kBlock == 16) scale_##name##_16(x, factor, y, pixels, stride);                                                                              \
    else scale_##name##_8(x, factor, y, pixels, stride);                                                                                            \
  }                                                                                                                                                 \
  template <>                                                                                                                                       \
  void sumProducts<T>(const T* a, const T* b, T* sum, size_t pixels, size_t stride) {                                                               \
    if (kBlock == 16) product_##name##_16(a, b, sum, pixels, stride);                                                                               \
    else product_##name##_8(a, b, sum, pixels, stride);                                                                                             \
  }

KNACK_EXPORT(float, f32)
KNACK_EXPORT(bfloat16, bf16)

float toFloat(float value) { return value; }
float toFloat(bfloat16 value) { return load(value); }
template <>
float fromFloat<float>(float value) {
  return value;
}
template <>
bfloat16 fromFloat<bfloat16>(float value) {
  bfloat16 result;
  store(&result, value);
  return result;
}

}  // namespace knack::cpu
