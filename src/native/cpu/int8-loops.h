// Loops over integers of 8 bits, for the instructions that go with the processor's block of channels. Rounding is to the nearest integer, halves to
// the even one; what lies outside of 0 to 255 becomes the nearer end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace knack::cpu {

// sums += x
void addTo(int32_t* sums, const uint8_t* x, size_t count);
// y = factor * sums + offset
void scaleSums(const int32_t* sums, float factor, float offset, uint8_t* y, size_t count);

// Two terms of a sum, in the result's steps: factors[0] * a + factors[1] * b + offset, from low to high.
struct ScaledSum {
  float factors[2];
  float offset, low, high;
};
void addScaled(const uint8_t* a, const uint8_t* b, const ScaledSum& sum, uint8_t* y, size_t count);

// ONNX's DequantizeLinear and QuantizeLinear.
void toNumbers(const uint8_t* x, float scale, float zeroPoint, float* y, size_t count);
void toIntegers(const float* x, float scale, float zeroPoint, uint8_t* y, size_t count);

}  // namespace knack::cpu
