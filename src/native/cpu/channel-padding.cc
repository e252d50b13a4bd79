// Zeros before and after the channels (shortcut option A of the CIFAR ResNets).
#include <cstring>

#include "one-input.h"

namespace knack::cpu {

namespace {

class ChannelPadding final : public OneInput {
 public:
  ChannelPadding(Program& program, Value& input, Value& output, int64_t before)
      : OneInput(program, input, output), before_(before) {}

  const char* kind() const override { return "channel padding"; }
  void forward() override {
    std::memset(output_.data->address, 0, program_.bytesOf(output_));
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      each([&](size_t inner, size_t outer) { at<T>(output_.data)[outer] = at<T>(input_.data)[inner]; });
    });
  }

 protected:
  void passBack() override {
    std::memset(share_->address, 0, program_.bytesOf(input_));
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      each([&](size_t inner, size_t outer) { at<T>(share_)[inner] = at<T>(gradient_)[outer]; });
    });
  }

 private:
  template <typename Body>
  void each(Body body) const {
    const int64_t pixels = static_cast<int64_t>(input_.pixels());
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t n = 0; n < input_.n; ++n) {
      for (int64_t c = 0; c < input_.c; ++c) {
        const int64_t to = c + before_;
        const size_t inner = input_.blockStart(n, c / kBlock) + c % kBlock;
        const size_t outer = output_.blockStart(n, to / kBlock) + to % kBlock;
        for (int64_t p = 0; p < pixels; ++p) body(inner + p * input_.pixelStride(), outer + p * output_.pixelStride());
      }
    }
  }

  int64_t before_;
};

const Registration channelPadding("channelPadding", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  Value& output = read.value("output");
  const int64_t before = static_cast<int64_t>(read.number("before"));
  if (before < 0 || input.c + before > output.c) throw std::invalid_argument("channelPadding: too few channels");
  requireShape(output, output.c, input.h, input.w);
  return std::make_unique<ChannelPadding>(read.program(), input, output, before);
});

}  // namespace

}  // namespace knack::cpu
