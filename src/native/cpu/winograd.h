// 3 x 3 convolutions of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray 2015) over blocks of channels: of oneDNN only version 2 has it, for AVX-512.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace knack::cpu {

// What becomes of a result before it is stored: y = min(max(y + bias + residual, low), high).
struct Finish {
  const float* bias = nullptr;      // [outputs]; may be none
  const float* residual = nullptr;  // as the result, and it may be its place; may be none
  float low, high;
};

// Of a convolution.
struct WinogradShape {
  int64_t images, inputs, outputs;
  std::array<int64_t, 2> size, outSize;  // height and width
  std::array<int64_t, 2> before;         // zeros above and to the left; outSize says how many there are beyond
};

// A convolution's three passes. Images are [N][C / kBlock][H][W][kBlock], weights and their gradients [outputs][inputs][3][3], all float32. With an
// image's tile d, a weight g and a result's tile y: y = A' ((G g G') * (B' d B)) A, the products summed over the inputs.
class Winograd {
 public:
  virtual ~Winograd() = default;

  // Of the transformed weights, and of the memory that the passes use while they run.
  virtual size_t transformedBytes() const = 0;
  virtual size_t scratchBytes() const = 0;
  virtual size_t weightScratchBytes() const = 0;

  // @param turned whether for the gradient of the input, not for the forward pass
  virtual void transform(const float* weight, bool turned, float* to) const = 0;
  virtual void forward(const float* x, const float* transformed, float* y, const Finish& finish, float* scratch) const = 0;
  virtual void backwardData(const float* dy, const float* transformed, float* dx, float* scratch) const = 0;
  // @param add whether it is added to what the gradient holds
  virtual void backwardWeights(const float* x, const float* dy, float* gradient, bool add, float* scratch) const = 0;
};

// By blocks of 16 channels, with AVX-512, and of 8, with AVX2.
std::unique_ptr<Winograd> winogradOver16(const WinogradShape& shape);
std::unique_ptr<Winograd> winogradOver8(const WinogradShape& shape);

}  // namespace knack::cpu
