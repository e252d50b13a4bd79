// Fully connected layers over uint8 by oneDNN, whose results are integers again, or numbers where the network ends.
#include "int8-products.h"

namespace knack::cpu {

namespace {

using Forward = dnnl::inner_product_forward;

class Int8Linear final : public Int8Operation {
 public:
  Int8Linear(Program& program, Value& input, Value& output, Scaling scaling, std::vector<int8_t> weight)
      : Int8Operation(program), input_(input), output_(output), scaling_(std::move(scaling)), weights_(std::move(weight), {output.c, input.c}) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    scaling_.describe(attributes, 1 << 0);
    forward_ = described<Forward>(program.engine, attributes, dnnl::prop_kind::forward_inference, rows(input), weights_.any(), scaling_.bias(), rows(output));
    refuseReference(forward_, "a linear layer in integers", input.n * input.c * output.c);
  }

  const char* kind() const override { return "linear"; }

  void planForward(int moment) override {
    program_.read(input_, moment);
    program_.write(output_, moment);
    weights_.plan(program_, forward_.weights_desc());
    scratchpad_.plan(program_, forward_.scratchpad_desc(), moment);
  }

  void bind() override {
    arguments_ = {{DNNL_ARG_SRC, bound(program_, rows(input_), input_.data)},
                  {DNNL_ARG_WEIGHTS, weights_.bind(program_)},
                  {DNNL_ARG_DST, bound(program_, rows(output_), output_.data)}};
    scaling_.bind(program_.engine, arguments_);
    scratchpad_.bind(program_, arguments_);
    primitive_ = Forward(forward_);
  }

  void forward() override { primitive_.execute(program_.stream, arguments_); }

 private:
  // Images of one pixel are rows.
  static memory::desc rows(const Value& value) { return memory::desc({value.n, value.c}, typeOf(value.layout), memory::format_tag::ab); }

  Value& input_;
  Value& output_;
  Scaling scaling_;
  Int8Weights weights_;
  Forward::primitive_desc forward_;
  Scratchpad scratchpad_;
  dnnl::primitive primitive_;
  Arguments arguments_;
};

const Registration int8Linear("int8Linear", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& input = asIntegers(read.input("input"));
  Value& output = read.value("output");
  requireShape(input, input.c, 1, 1);
  requireShape(output, output.c, 1, 1);
  if (!output.integers && !output.float32) throw std::invalid_argument("a linear layer's result is neither integers nor the network's");
  Scaling scaling(read.copyOfFloats("scales", output.c), read.copyOfFloats("offsets", output.c));
  return std::make_unique<Int8Linear>(read.program(), input, output, std::move(scaling), read.copyOfIntegers("weight", output.c * input.c));
});

}  // namespace

}  // namespace knack::cpu
