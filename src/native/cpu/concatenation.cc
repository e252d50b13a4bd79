// Images one after another along the channels; every input but the last fills its blocks.
#include <cstring>

#include "reader.h"

namespace knack::cpu {

namespace {

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
    // All channels of what lies together: a pixel channels-last, else an image.
    const int64_t rows = output_.n * (output_.channelsLast ? output_.pixels() : 1);
    const size_t whole = program_.bytesOf(output_) / rows;
    std::vector<size_t> starts;
    size_t start = 0;
    for (const Value* input : inputs_) {
      starts.push_back(start);
      start += program_.bytesOf(*input) / rows;
    }
    const int64_t count = static_cast<int64_t>(inputs_.size());
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < count; ++i) {
        const size_t bytes = program_.bytesOf(*inputs_[i]) / rows;
        body(i, row * bytes, row * whole + starts[i], bytes);
      }
    }
  }

  Program& program_;
  std::vector<Value*> inputs_;
  Value& output_;
  Buffer* gradient_ = nullptr;
  std::vector<Buffer*> shares_;
};

const Registration concatenation("concatenation", [](const Reader& read) -> std::unique_ptr<Operation> {
  const std::vector<Value*> inputs = read.inputs("inputs");
  Value& output = read.value("output");
  int64_t channels = 0;
  for (const Value* input : inputs) {
    if (channels % kBlock != 0) throw std::invalid_argument("concatenation: an input does not fill its last block");
    requireShape(*input, input->c, output.h, output.w);
    channels += input->c;
  }
  requireShape(output, channels, output.h, output.w);
  return std::make_unique<Concatenation>(read.program(), inputs, output);
});

}  // namespace

}  // namespace knack::cpu
