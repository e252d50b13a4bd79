// Each channel of an image times a number of its own, as squeeze and excitation has it.
#include <algorithm>

#include "reader.h"

namespace knack::cpu {

namespace {

class ChannelScale final : public Operation {
 public:
  ChannelScale(Program& program, Value& input, Value& scale, Value& output)
      : program_(program), input_(input), scale_(scale), output_(output) {
    output.needsGradient = input.needsGradient || scale.needsGradient;
  }

  const char* kind() const override { return "channel scale"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.read(scale_, moment);
    program_.write(output_, moment);
  }

  void planBackward(int moment) override {
    if (!output_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    program_.read(input_, moment);
    program_.read(scale_, moment);
    if (input_.needsGradient) share_ = program_.addGradient(input_, moment);
    if (scale_.needsGradient) scaleShare_ = program_.addGradient(scale_, moment);
  }

  void bind() override {}

  void forward() override {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      each([&](int64_t n, int64_t block) {
        const size_t start = output_.blockStart(n, block);
        scaleChannels<T>(at<T>(input_.data) + start, at<T>(scale_.data) + scale_.blockStart(n, block), at<T>(output_.data) + start, output_.pixels(),
                         output_.pixelStride());
      });
    });
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      each([&](int64_t n, int64_t block) {
        const size_t start = output_.blockStart(n, block), one = scale_.blockStart(n, block);
        const T* gradient = at<T>(gradient_) + start;
        if (scaleShare_) sumProducts<T>(gradient, at<T>(input_.data) + start, at<T>(scaleShare_) + one, output_.pixels(), output_.pixelStride());
        if (share_) scaleChannels<T>(gradient, at<T>(scale_.data) + one, at<T>(share_) + start, output_.pixels(), output_.pixelStride());
      });
    });
  }

 private:
  template <typename Body>
  void each(Body body) const {
    const int64_t blocks = output_.blocks();
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t n = 0; n < output_.n; ++n) {
      for (int64_t block = 0; block < blocks; ++block) body(n, block);
    }
  }

  Program& program_;
  Value& input_;
  Value& scale_;
  Value& output_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
  Buffer* scaleShare_ = nullptr;
};

const Registration channelScale("channelScale", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& scale = read.input("scale");
  Value& output = read.value("output");
  requireShape(output, input.c, input.h, input.w);
  requireShape(scale, input.c, 1, 1);
  return std::make_unique<ChannelScale>(read.program(), input, scale, output);
});

}  // namespace

}  // namespace knack::cpu
