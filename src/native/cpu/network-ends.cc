// Where values come from JavaScript and go there: a network's images and results, and what libtorch computes between two of its operations. All of
// that is float32, images pixel by pixel.
#include <cstring>

#include "reader.h"

namespace knack::cpu {

namespace {

enum class Way { In, Out };

// A value's way between the program's memory and JavaScript's.
class Crossing {
 public:
  // @param inside the program's memory, of the value's layout
  // @param outside JavaScript's: [N][H][W][C], or [N][C]
  Crossing(const Program& program, const Value& value, Way way, const Buffer* inside, float* outside)
      : clears_(way == Way::In && value.allChannels() != value.c ? program.bytesOf(value) : 0) {
    const memory::dims dims = value.vector ? memory::dims{value.n, value.c} : memory::dims{value.n, value.c, value.h, value.w};
    const auto tag = value.vector ? memory::format_tag::ab : memory::format_tag::acdb;
    const memory there(memory::desc(dims, memory::data_type::f32, tag), program.engine, outside);
    const memory here = bound(program, ownChannels(program, value, dims), inside);
    from_ = way == Way::In ? there : here;
    to_ = way == Way::In ? here : there;
    reorder_ = dnnl::reorder(from_, to_);
  }

  void go(Program& program) {
    // Channels that only fill the last block are zeros.
    if (clears_ != 0) std::memset(to_.get_data_handle(), 0, clears_);
    reorder_.execute(program.stream, from_, to_);
  }

 private:
  // The value's own channels, where whole blocks lie in memory.
  static memory::desc ownChannels(const Program& program, const Value& value, const memory::dims& dims) {
    if (value.allChannels() == value.c) return value.layout;
    return value.channelsLast ? value.layout.submemory_desc(dims, {0, 0, 0, 0}) : memory::desc(dims, program.dataType(), imagesTag(false));
  }

  size_t clears_;
  memory from_, to_;
  dnnl::reorder reorder_;
};

// A value from JavaScript, and its gradient for there.
class Enter final : public Operation {
 public:
  Enter(Program& program, Value& output, const Parameter& place) : program_(program), output_(output), place_(place) {
    output.needsGradient = place.gradient != nullptr;
  }

  const char* kind() const override { return "enter"; }
  void planForward(int moment) override { program_.write(output_, moment); }
  void planBackward(int moment) override {
    if (output_.needsGradient) gradient_ = program_.wholeGradient(output_, moment);
  }
  void bind() override {
    values_ = std::make_unique<Crossing>(program_, output_, Way::In, output_.data, place_.data);
    if (gradient_) gradients_ = std::make_unique<Crossing>(program_, output_, Way::Out, gradient_, place_.gradient);
  }
  void forward() override { values_->go(program_); }
  void backward() override {
    if (gradient_) program_.gatherGradient(output_);
    if (gradients_) gradients_->go(program_);
    else if (place_.gradient) std::memset(place_.gradient, 0, output_.n * output_.c * output_.pixels() * sizeof(float));
  }

 private:
  Program& program_;
  Value& output_;
  Parameter place_;
  Buffer* gradient_ = nullptr;
  std::unique_ptr<Crossing> values_, gradients_;
};

// A value for JavaScript, and its gradient from there.
class Leave final : public Operation {
 public:
  Leave(Program& program, Value& input, const Parameter& place) : program_(program), input_(input), place_(place) {}

  const char* kind() const override { return "leave"; }
  void planForward(int moment) override { program_.read(input_, moment); }
  void planBackward(int moment) override {
    if (input_.needsGradient && place_.gradient) share_ = program_.addGradient(input_, moment);
  }
  void bind() override {
    values_ = std::make_unique<Crossing>(program_, input_, Way::Out, input_.data, place_.data);
    if (share_) gradients_ = std::make_unique<Crossing>(program_, input_, Way::In, share_, place_.gradient);
  }
  void forward() override { values_->go(program_); }
  void backward() override {
    if (gradients_) gradients_->go(program_);
  }

 private:
  Program& program_;
  Value& input_;
  Parameter place_;
  Buffer* share_ = nullptr;
  std::unique_ptr<Crossing> values_, gradients_;
};

Parameter placeOf(const Reader& read, const Value& value) {
  return read.parameter("place", "gradient", value.n * value.c * value.pixels());
}

const Registration enter("enter", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& output = read.value("output");
  return std::make_unique<Enter>(read.program(), output, placeOf(read, output));
});

const Registration leave("leave", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = read.input("input");
  return std::make_unique<Leave>(read.program(), input, placeOf(read, input));
});

}  // namespace

}  // namespace knack::cpu
