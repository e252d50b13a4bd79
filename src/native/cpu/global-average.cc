// The mean over all pixels: [N, C], or images of one pixel.
#include <algorithm>

#include "one-input.h"

namespace knack::cpu {

namespace {

class GlobalAverage final : public OneInput {
 public:
  using OneInput::OneInput;

  const char* kind() const override { return "global average"; }

  void forward() override {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* x = reinterpret_cast<T*>(input_.data->address);
      T* y = reinterpret_cast<T*>(output_.data->address);
      each([&](int64_t n, int64_t block, int64_t channels) {
        float sum[kWidestBlock];
        sumPixels<T>(x + input_.blockStart(n, block), input_.pixels(), input_.pixelStride(), sum);
        for (int64_t c = 0; c < channels; ++c) y[place(n, block) + c] = fromFloat<T>(sum[c] / static_cast<float>(input_.pixels()));
        for (int64_t c = channels; !output_.vector && c < kBlock; ++c) y[place(n, block) + c] = fromFloat<T>(0);
      });
    });
  }

 protected:
  void passBack() override {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* g = reinterpret_cast<T*>(gradient_->address);
      T* dx = reinterpret_cast<T*>(share_->address);
      each([&](int64_t n, int64_t block, int64_t channels) {
        float value[kWidestBlock] = {};
        for (int64_t c = 0; c < channels; ++c) {
          value[c] = toFloat(g[place(n, block) + c]) / static_cast<float>(input_.pixels());
        }
        spreadPixels<T>(value, dx + input_.blockStart(n, block), input_.pixels(), input_.pixelStride());
      });
    });
  }

 private:
  // Of the mean of a block of an image's channels: a row of all of them, or images of one pixel.
  size_t place(int64_t n, int64_t block) const { return output_.vector ? n * input_.c + block * kBlock : output_.blockStart(n, block); }

  template <typename Body>
  void each(Body body) const {
    const int64_t blocks = input_.blocks();
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t n = 0; n < input_.n; ++n) {
      for (int64_t block = 0; block < blocks; ++block) {
        body(n, block, std::min<int64_t>(kBlock, input_.c - block * kBlock));
      }
    }
  }
};

const Registration globalAverage("globalAverage", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  requireShape(output, input.c, 1, 1);
  return std::make_unique<GlobalAverage>(read.program(), input, output);
});

}  // namespace

}  // namespace knack::cpu
