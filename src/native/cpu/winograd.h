// 3 x 3 convolutions of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray 2015) over blocks of 8 channels: oneDNN has it for AVX-512 only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace knack::cpu {

// What becomes of a result before it is stored: y = min(max(y + bias + residual, low), high).
struct Finish {
  const float* bias = nullptr;      // [outputs]; may be none
  const float* residual = nullptr;  // as the result, and it may be its place; may be none
  float low, high;
};

// A convolution's three passes. Images are [N][C / 8][H][W][8], weights and their gradients [outputs][inputs][3][3], all float32. With an image's
// tile d, a weight g and a result's tile y: y = A' ((G g G') * (B' d B)) A, the products summed over the inputs.
class Winograd {
 public:
  // @param before zeros above and to the left of the images; outHeight and outWidth say how many there are beyond them
  Winograd(int64_t images, int64_t inputs, int64_t outputs, std::array<int64_t, 2> size, std::array<int64_t, 2> outSize,
           std::array<int64_t, 2> before);

  // Of the transformed weights, and of the memory that the passes use while they run.
  size_t transformedBytes() const;
  size_t scratchBytes() const;
  size_t weightScratchBytes() const;

  // @param turned whether for the gradient of the input, not for the forward pass
  void transform(const float* weight, bool turned, float* to) const;
  void forward(const float* x, const float* transformed, float* y, const Finish& finish, float* scratch) const;
  void backwardData(const float* dy, const float* transformed, float* dx, float* scratch) const;
  // @param add whether it is added to what the gradient holds
  void backwardWeights(const float* x, const float* dy, float* gradient, bool add, float* scratch) const;

 private:
  // The images of one side of the convolution.
  struct Side {
    int64_t channels, height, width;
  };

  void convolve(const float* x, const Side& from, const float* transformed, float* y, const Side& to,
                std::array<int64_t, 2> before, const Finish& finish, float* scratch) const;

  int64_t images_;
  Side in_, out_;
  std::array<int64_t, 2> before_;
};

}  // namespace knack::cpu
