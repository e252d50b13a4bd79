// A network's ends: its images and its results, in memory that JavaScript owns.
#include <cstring>

#include "reader.h"

namespace knack::cpu {

namespace {

// The images, float32 [N][H][W][C], into the layout that their reader wants.
class Input final : public Operation {
 public:
  Input(Program& program, Value& output, const float* pixels) : program_(program), output_(output), pixels_(pixels) {}

  const char* kind() const override { return "input"; }
  void planForward(int moment) override { program_.write(output_, moment); }
  void planBackward(int) override {}

  void bind() override {
    const memory::dims dims = {output_.n, output_.c, output_.h, output_.w};
    source_ = memory(memory::desc(dims, memory::data_type::f32, memory::format_tag::acdb), program_.engine, const_cast<float*>(pixels_));
    destination_ = bound(program_, ownChannels(dims), output_.data);
    reorder_ = dnnl::reorder(source_, destination_);
  }

  void forward() override {
    if (output_.allChannels() != output_.c) std::memset(output_.data->address, 0, program_.bytesOf(output_));
    reorder_.execute(program_.stream, source_, destination_);
  }
  void backward() override {}

 private:
  // The images' own channels, where whole blocks lie in memory.
  memory::desc ownChannels(const memory::dims& dims) const {
    if (output_.allChannels() == output_.c) return output_.layout;
    return output_.channelsLast ? output_.layout.submemory_desc(dims, {0, 0, 0, 0})
                                : memory::desc(dims, program_.dataType(), imagesTag(false));
  }

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

const Registration input("input", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& output = read.value("output");
  const float* pixels = read.floats("pixels", output.n * output.c * output.h * output.w);
  return std::make_unique<Input>(read.program(), output, pixels);
});

const Registration output("output", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  const size_t count = input.n * input.c;
  const float* gradient = read.program().settings.training ? read.floats("gradient", count) : nullptr;
  return std::make_unique<Output>(read.program(), input, read.floats("result", count), gradient);
});

}  // namespace

}  // namespace knack::cpu
