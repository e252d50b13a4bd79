// One or two activations, added and clamped.
#include <algorithm>
#include <cstring>

#include "reader.h"

namespace knack::cpu {

namespace {

// Runs body(start, size) over `count` elements in pieces, by all threads.
template <typename Body>
void inPieces(size_t count, Body body) {
  constexpr size_t kPiece = 1 << 14;
  const int64_t pieces = static_cast<int64_t>((count + kPiece - 1) / kPiece);
#pragma omp parallel for schedule(static)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const size_t start = piece * kPiece;
    body(start, std::min(kPiece, count - start));
  }
}

class Addition final : public Operation {
 public:
  Addition(Program& program, Value& a, Value* b, Value& output, const Clamp& clamp)
      : program_(program), a_(a), b_(b), output_(output), clamp_(clamp) {
    output.needsGradient = a.needsGradient || (b && b->needsGradient);
  }

  const char* kind() const override { return b_ ? "addition" : "clamp"; }

  void planForward(int moment) override {
    program_.read(a_, moment);
    if (b_) program_.read(*b_, moment);
    program_.write(output_, moment);
  }

  void planBackward(int moment) override {
    if (!output_.needsGradient) return;
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    if (isClamped()) {
      program_.read(clamp_.windowBefore ? a_ : output_, moment);
      if (clamp_.windowBefore && b_) program_.read(*b_, moment);
    }
    // Both have the gated gradient; each adds to its own share, so they cannot be one buffer.
    if (a_.needsGradient) a_.gradients.push_back(gradient_);
    if (!b_ || !b_->needsGradient) return;
    if (a_.needsGradient) shareB_ = program_.addGradient(*b_, moment);
    else b_->gradients.push_back(gradient_);
  }

  void bind() override {}

  void forward() override {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      inPieces(program_.bytesOf(output_) / sizeof(T), [&](size_t start, size_t size) {
        addClamped<T>(at<T>(a_.data) + start, b_ ? at<T>(b_->data) + start : nullptr, at<T>(output_.data) + start, size,
                      clamp_.low, clamp_.high);
      });
    });
  }

  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    const Buffer* seen = clamp_.windowBefore ? a_.data : output_.data;
    const Buffer* added = clamp_.windowBefore && b_ ? b_->data : nullptr;
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      inPieces(program_.bytesOf(output_) / sizeof(T), [&](size_t start, size_t size) {
        T* g = at<T>(gradient_) + start;
        if (isClamped()) gateGradient<T>(g, at<T>(seen) + start, added ? at<T>(added) + start : nullptr, g, size, clamp_.window);
        if (shareB_) std::memcpy(at<T>(shareB_) + start, g, size * sizeof(T));
      });
    });
  }

 private:
  bool isClamped() const { return clamp_.low != -INFINITY || clamp_.high != INFINITY; }

  Program& program_;
  Value& a_;
  Value* b_;
  Value& output_;
  Clamp clamp_;
  Buffer* gradient_ = nullptr;
  Buffer* shareB_ = nullptr;
};

const Registration addition("addition", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& a = read.input("input");
  Value* b = read.has("other") ? &read.input("other") : nullptr;
  Value& output = read.value("output");
  requireShape(output, a.c, a.h, a.w);
  if (b) requireShape(*b, a.c, a.h, a.w);
  return std::make_unique<Addition>(read.program(), a, b, output, read.clamp());
});

}  // namespace

}  // namespace knack::cpu
