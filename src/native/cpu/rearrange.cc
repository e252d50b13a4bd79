// What moves or adds activations without weights: the network's ends, concatenation, channel padding, addition, masks.
#include <algorithm>
#include <cstring>

#include "program.h"

namespace knack::fast {

namespace {

template <typename T>
T* at(const Buffer* buffer) {
  return reinterpret_cast<T*>(buffer->address);
}

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

// The images, float32 [N][H][W][C], into the layout that the first convolution wants.
class Input final : public Operation {
 public:
  Input(Program& program, Value& output, const float* pixels) : program_(program), output_(output), pixels_(pixels) {}

  const char* kind() const override { return "input"; }
  void planForward(int moment) override { program_.write(output_, moment); }
  void planBackward(int) override {}

  void bind() override {
    const memory::desc layout({output_.n, output_.c, output_.h, output_.w}, memory::data_type::f32,
                              memory::format_tag::acdb);
    source_ = memory(layout, program_.engine, const_cast<float*>(pixels_));
    destination_ = bound(program_, output_.layout, output_.data);
    reorder_ = dnnl::reorder(source_, destination_);
  }

  void forward() override { reorder_.execute(program_.stream, source_, destination_); }
  void backward() override {}

 private:
  Program& program_;
  Value& output_;
  const float* pixels_;
  memory source_, destination_;
  dnnl::reorder reorder_;
};

// A result for JavaScript, float32 [N][C], and its gradient from there.
class Output final : public Operation {
 public:
  Output(Program& program, Value& input, float* result, const float* gradient)
      : program_(program), input_(input), result_(result), given_(gradient) {
    if (!input.float32) throw std::invalid_argument("the network's result is not float32");
  }

  const char* kind() const override { return "output"; }
  void planForward(int moment) override { program_.read(input_, moment); }
  void planBackward(int moment) override {
    if (input_.needsGradient) share_ = program_.addGradient(input_, moment);
  }
  void bind() override {}
  void forward() override { std::memcpy(result_, input_.data->address, program_.bytesOf(input_)); }
  void backward() override {
    if (share_) std::memcpy(share_->address, given_, program_.bytesOf(input_));
  }

 private:
  Program& program_;
  Value& input_;
  float* result_;
  const float* given_;
  Buffer* share_ = nullptr;
};

// One after another along the channels; every input but the last fills its blocks.
class Concatenation final : public Operation {
 public:
  Concatenation(Program& program, const std::vector<Value*>& inputs, Value& output)
      : program_(program), inputs_(inputs), output_(output) {
    for (const Value* input : inputs) output.needsGradient = output.needsGradient || input->needsGradient;
    shares_.resize(inputs.size());
  }

  const char* kind() const override { return "concatenation"; }

  void planForward(int moment) override {
    for (Value* input : inputs_) program_.read(*input, moment);
    program_.write(output_, moment);
  }

  void planBackward(int moment) override {
    gradient_ = program_.wholeGradient(output_, moment);
    if (!gradient_) return;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i]->needsGradient) shares_[i] = program_.addGradient(*inputs_[i], moment);
    }
  }

  void bind() override {}
  void forward() override {
    each([&](size_t i, size_t inner, size_t outer, size_t bytes) {
      std::memcpy(output_.data->address + outer, inputs_[i]->data->address + inner, bytes);
    });
  }
  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    each([&](size_t i, size_t inner, size_t outer, size_t bytes) {
      if (shares_[i]) std::memcpy(shares_[i]->address + inner, gradient_->address + outer, bytes);
    });
  }

 private:
  template <typename Body>
  void each(Body body) const {
    const size_t whole = program_.bytesOf(output_) / output_.n;
    std::vector<size_t> starts;
    size_t start = 0;
    for (const Value* input : inputs_) {
      starts.push_back(start);
      start += program_.bytesOf(*input) / input->n;
    }
    const int64_t count = static_cast<int64_t>(inputs_.size());
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t n = 0; n < output_.n; ++n) {
      for (int64_t i = 0; i < count; ++i) {
        const size_t bytes = program_.bytesOf(*inputs_[i]) / output_.n;
        body(i, n * bytes, n * whole + starts[i], bytes);
      }
    }
  }

  Program& program_;
  std::vector<Value*> inputs_;
  Value& output_;
  Buffer* gradient_ = nullptr;
  std::vector<Buffer*> shares_;
};

// Zeros before and after the channels (shortcut option A of the CIFAR ResNets).
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
    if (isClamped()) program_.read(output_, moment);
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
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      inPieces(program_.bytesOf(output_) / sizeof(T), [&](size_t start, size_t size) {
        T* g = at<T>(gradient_) + start;
        if (isClamped()) gateGradient<T>(g, at<T>(output_.data) + start, g, size, clamp_.window);
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

// Vectors times a mask that JavaScript owns, float32 [N][C] (dropout).
class Mask final : public Operation {
 public:
  Mask(Program& program, Value& input, Value& output, const float* mask)
      : program_(program), input_(input), output_(output), mask_(mask) {
    output.needsGradient = input.needsGradient;
  }

  const char* kind() const override { return "mask"; }
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
  void forward() override { multiply(input_.data, output_.data); }
  void backward() override {
    if (!gradient_) return;
    program_.gatherGradient(output_);
    multiply(gradient_, share_);
  }

 private:
  void multiply(const Buffer* from, Buffer* to) const {
    withElementType(program_, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      for (int64_t i = 0; i < input_.n * input_.c; ++i) at<T>(to)[i] = fromFloat<T>(toFloat(at<T>(from)[i]) * mask_[i]);
    });
  }

  Program& program_;
  Value& input_;
  Value& output_;
  const float* mask_;
  Buffer* gradient_ = nullptr;
  Buffer* share_ = nullptr;
};

}  // namespace

std::unique_ptr<Operation> makeInput(Program& program, Value& output, const float* pixels) {
  return std::make_unique<Input>(program, output, pixels);
}

std::unique_ptr<Operation> makeOutput(Program& program, Value& input, float* result, const float* gradient) {
  return std::make_unique<Output>(program, input, result, gradient);
}

std::unique_ptr<Operation> makeConcatenation(Program& program, const std::vector<Value*>& inputs, Value& output) {
  return std::make_unique<Concatenation>(program, inputs, output);
}

std::unique_ptr<Operation> makeChannelPadding(Program& program, Value& input, Value& output, int64_t before) {
  return std::make_unique<ChannelPadding>(program, input, output, before);
}

std::unique_ptr<Operation> makeAddition(Program& program, Value& a, Value* b, Value& output, const Clamp& clamp) {
  return std::make_unique<Addition>(program, a, b, output, clamp);
}

std::unique_ptr<Operation> makeMask(Program& program, Value& input, Value& output, const float* mask) {
  return std::make_unique<Mask>(program, input, output, mask);
}

}  // namespace knack::fast
