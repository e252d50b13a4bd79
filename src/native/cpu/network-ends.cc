// Where values come from JavaScript and go there: a network's images and results, and what libtorch computes between two of its operations. All of
// that is float32, images pixel by pixel.
#include <cstring>

#include "reader.h"

namespace knack::cpu {

namespace {

// A value's memory at either end, and the ways between them.
class Crossing {
 public:
  // @param inside the program's memory, of the value's layout
  // @param outside JavaScript's: [N][H][W][C], or [N][C]
  Crossing(const Program& program, const Value& value, const Buffer* inside, float* outside) : value_(value), bytes_(program.bytesOf(value)) {
    const memory::dims dims = value.vector ? memory::dims{value.n, value.c} : memory::dims{value.n, value.c, value.h, value.w};
    const auto tag = value.vector ? memory::format_tag::ab : memory::format_tag::acdb;
    outside_ = memory(memory::desc(dims, memory::data_type::f32, tag), program.engine, outside);
    inside_ = bound(program, ownChannels(program, dims), inside);
    in_ = dnnl::reorder(outside_, inside_);
    out_ = dnnl::reorder(inside_, outside_);
  }

  void in(Program& program) {
    if (value_.allChannels() != value_.c) std::memset(inside_.get_data_handle(), 0, bytes_);
    in_.execute(program.stream, outside_, inside_);
  }
  void out(Program& program) { out_.execute(program.stream, inside_, outside_); }

 private:
  // The value's own channels, where whole blocks lie in memory.
  memory::desc ownChannels(const Program& program, const memory::dims& dims) const {
    if (value_.allChannels() == value_.c) return value_.layout;
    return value_.channelsLast ? value_.layout.submemory_desc(dims, {0, 0, 0, 0})
                               : memory::desc(dims, program.dataType(), imagesTag(false));
  }

  const Value& value_;
  size_t bytes_;
  memory outside_, inside_;
  dnnl::reorder in_, out_;
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
    values_ = std::make_unique<Crossing>(program_, output_, output_.data, place_.data);
    if (gradient_) gradients_ = std::make_unique<Crossing>(program_, output_, gradient_, place_.gradient);
  }
  void forward() override { values_->in(program_); }
  void backward() override {
    if (gradient_) program_.gatherGradient(output_);
    if (gradients_) gradients_->out(program_);
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
    values_ = std::make_unique<Crossing>(program_, input_, input_.data, place_.data);
    if (share_) gradients_ = std::make_unique<Crossing>(program_, input_, share_, place_.gradient);
  }
  void forward() override { values_->out(program_); }
  void backward() override {
    if (gradients_) gradients_->in(program_);
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
