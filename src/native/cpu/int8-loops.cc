#include "int8-loops.h"

#include "instruction-sets.h"
#include "processor.h"

namespace knack::cpu {

namespace {

// Between the two ends; NaN becomes the lower one.
KNACK_INLINE float within(float value, float low, float high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

// Adding it leaves a float of less than 2^22 no bits for fractions.
constexpr float kWholes = 3 << 22;
KNACK_INLINE float rounded(float value) { return (value + kWholes) - kWholes; }

KNACK_INLINE void addToLoop(int32_t* sums, const uint8_t* x, size_t count) {
  KNACK_INDEPENDENT
  for (size_t i = 0; i < count; ++i) sums[i] += x[i];
}

KNACK_INLINE void scaleSumsLoop(const int32_t* sums, float factor, float offset, uint8_t* y, size_t count) {
  KNACK_INDEPENDENT
  for (size_t i = 0; i < count; ++i) {
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(rounded(within(factor * static_cast<float>(sums[i]) + offset, 0, 255))));
  }
}

KNACK_INLINE void addScaledLoop(const uint8_t* a, const uint8_t* b, const ScaledSum& sum, uint8_t* y, size_t count) {
  const float first = sum.factors[0], second = sum.factors[1], offset = sum.offset, low = sum.low, high = sum.high;
  KNACK_INDEPENDENT
  for (size_t i = 0; i < count; ++i) {
    const float value = first * static_cast<float>(a[i]) + (second * static_cast<float>(b[i]) + offset);
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(rounded(within(value, low, high))));
  }
}

KNACK_INLINE void toNumbersLoop(const uint8_t* x, float scale, float zeroPoint, float* y, size_t count) {
  KNACK_INDEPENDENT
  for (size_t i = 0; i < count; ++i) y[i] = (static_cast<float>(x[i]) - zeroPoint) * scale;
}

KNACK_INLINE void toIntegersLoop(const float* x, float scale, float zeroPoint, uint8_t* y, size_t count) {
  KNACK_INDEPENDENT
  for (size_t i = 0; i < count; ++i) {
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(rounded(within(x[i] / scale, -zeroPoint, 255 - zeroPoint)) + zeroPoint));
  }
}

#define KNACK_FORMS(B)                                                                                                                     \
  KNACK_FOR_BLOCKS_OF_##B void addTo_##B(int32_t* sums, const uint8_t* x, size_t count) { addToLoop(sums, x, count); }                     \
  KNACK_FOR_BLOCKS_OF_##B void scaleSums_##B(const int32_t* sums, float factor, float offset, uint8_t* y, size_t count) {                  \
    scaleSumsLoop(sums, factor, offset, y, count);                                                                                         \
  }                                                                                                                                        \
  KNACK_FOR_BLOCKS_OF_##B void addScaled_##B(const uint8_t* a, const uint8_t* b, const ScaledSum& sum, uint8_t* y, size_t count) {         \
    addScaledLoop(a, b, sum, y, count);                                                                                                    \
  }                                                                                                                                        \
  KNACK_FOR_BLOCKS_OF_##B void toNumbers_##B(const uint8_t* x, float scale, float zeroPoint, float* y, size_t count) {                     \
    toNumbersLoop(x, scale, zeroPoint, y, count);                                                                                          \
  }                                                                                                                                        \
  KNACK_FOR_BLOCKS_OF_##B void toIntegers_##B(const float* x, float scale, float zeroPoint, uint8_t* y, size_t count) {                    \
    toIntegersLoop(x, scale, zeroPoint, y, count);                                                                                         \
  }

KNACK_FORMS(16)
KNACK_FORMS(8)

}  // namespace

void addTo(int32_t* sums, const uint8_t* x, size_t count) { kBlock == 16 ? addTo_16(sums, x, count) : addTo_8(sums, x, count); }

void scaleSums(const int32_t* sums, float factor, float offset, uint8_t* y, size_t count) {
  kBlock == 16 ? scaleSums_16(sums, factor, offset, y, count) : scaleSums_8(sums, factor, offset, y, count);
}

void addScaled(const uint8_t* a, const uint8_t* b, const ScaledSum& sum, uint8_t* y, size_t count) {
  kBlock == 16 ? addScaled_16(a, b, sum, y, count) : addScaled_8(a, b, sum, y, count);
}

void toNumbers(const uint8_t* x, float scale, float zeroPoint, float* y, size_t count) {
  kBlock == 16 ? toNumbers_16(x, scale, zeroPoint, y, count) : toNumbers_8(x, scale, zeroPoint, y, count);
}

void toIntegers(const float* x, float scale, float zeroPoint, uint8_t* y, size_t count) {
  kBlock == 16 ? toIntegers_16(x, scale, zeroPoint, y, count) : toIntegers_8(x, scale, zeroPoint, y, count);
}

}  // namespace knack::cpu
