// Zeros before and after the channels (shortcut option A of the CIFAR ResNets).
#include <cstring>

#include "reader.h"

namespace knack::cpu {

namespace {

class ChannelPadding final : public Operation {
 public:
  ChannelPadding(Program& program, Value& input, Value& output, int64_t before)
      : program_(program), input_(input), output_(output), before_(before) {
    output.needsGradient = input.needsGradient;
  }

  const char* kind() const override { return "channel padding"; }
  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
  }
  void planBackward(int moment) override {
    if (!input_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (gradient_) share_ = program_.addGradient(input_, moment);
  }
  void bind() override {}
  void forward() override {
    std::memset(output_.data->address, 0, program_.bytesOf(output_));
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      each([&](size_t inner, size_t outer) { at<T>(output_.data)[outer] = at<T>(input_.data)[inner]; });
    });
  }
  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
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
        const size_t inner = (n * input_.blocks() + c / kBlock) * pixels * kBlock + c % kBlock;
        const size_t outer = (n * output_.blocks() + to / kBlock) * pixels * kBlock + to % kBlock;
        for (int64_t p = 0; p < pixels; ++p) body(inner + p * kBlock, outer + p * kBlock);
      }
    }
  }

  Program& program_;
  Value& input_;
  Value& output_;
  int64_t before_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
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
