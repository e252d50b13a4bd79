// Bytes through tables: a network's images onto their grid, and activations side by side along the channels, each brought onto the grid of all.
#include <algorithm>
#include <array>
#include <cstring>

#include "instruction-sets.h"
#include "int8.h"

namespace knack::cpu {

namespace {

using Table = std::array<uint8_t, 256>;

Table tableAt(const uint8_t* bytes) {
  Table table;
  std::copy_n(bytes, table.size(), table.begin());
  return table;
}

// So many bytes, each by the table; strides lie between one and the next.
void translate(const Table& table, const uint8_t* x, size_t xStride, uint8_t* y, size_t yStride, size_t count) {
  const uint8_t* entries = table.data();
  KNACK_INDEPENDENT
  for (size_t i = 0; i < count; ++i) y[i * yStride] = entries[x[i * xStride]];
}

// Pictures, bytes [N][H][W][C], each channel by its own table.
class Int8Input final : public Int8Operation {
 public:
  Int8Input(Program& program, Value& output, const uint8_t* pixels, std::vector<Table> tables)
      : Int8Operation(program), output_(output), pixels_(pixels), tables_(std::move(tables)) {}

  const char* kind() const override { return "input"; }
  void planForward(int moment) override { program_.write(output_, moment); }
  void forward() override {
    const size_t channels = tables_.size();
    inParts(program_.bytesOf(output_) / channels, channels, [&](size_t first, size_t last) {
      for (size_t c = 0; c < channels; ++c) {
        const size_t start = first * channels + c;
        translate(tables_[c], pixels_ + start, channels, at<uint8_t>(output_.data) + start, channels, last - first);
      }
    });
  }

 private:
  Value& output_;
  const uint8_t* pixels_;
  std::vector<Table> tables_;
};

struct Int8Joined {
  std::vector<Value*> inputs;
  std::vector<Table> tables;
  // Channels of zeros before the inputs' ones; what is left after them is zeros too.
  int64_t before;
  uint8_t zero;
};

class Int8Concatenation final : public Int8Operation {
 public:
  Int8Concatenation(Program& program, Value& output, Int8Joined joined) : Int8Operation(program), output_(output), joined_(std::move(joined)) {}

  const char* kind() const override { return "concatenation"; }
  void planForward(int moment) override {
    for (Value* input : joined_.inputs) program_.read(*input, moment);
    program_.write(output_, moment);
  }
  void forward() override {
    inParts(output_.n * output_.pixels(), output_.c, [&](size_t first, size_t last) {
      auto* y = at<uint8_t>(output_.data) + first * output_.c;
      std::memset(y, joined_.zero, (last - first) * output_.c);
      y += joined_.before;
      for (size_t i = 0; i < joined_.inputs.size(); ++i) {
        const size_t channels = joined_.inputs[i]->c;
        const auto* x = at<const uint8_t>(joined_.inputs[i]->data) + first * channels;
        const Table& table = joined_.tables[i];
        for (size_t pixel = 0; pixel < last - first; ++pixel) translate(table, x + pixel * channels, 1, y + pixel * output_.c, 1, channels);
        y += channels;
      }
    });
  }

 private:
  Value& output_;
  Int8Joined joined_;
};

std::vector<Table> tablesOf(const Reader& read, size_t count) {
  const uint8_t* bytes = read.bytes("tables", 256 * count);
  std::vector<Table> tables;
  for (size_t i = 0; i < count; ++i) tables.push_back(tableAt(bytes + 256 * i));
  return tables;
}

const Registration input("int8Input", [](const Reader& read) -> std::unique_ptr<Operation> {
  Value& output = asIntegers(read.value("output"));
  const uint8_t* pixels = read.bytes("pixels", read.program().bytesOf(output));
  return std::make_unique<Int8Input>(read.program(), output, pixels, tablesOf(read, output.c));
});

const Registration concatenation("int8Concatenation", [](const Reader& read) -> std::unique_ptr<Operation> {
  Int8Joined joined = {read.inputs("inputs"), {}, static_cast<int64_t>(read.number("before")), static_cast<uint8_t>(read.number("zero"))};
  Value& output = asIntegers(read.value("output"));
  int64_t channels = joined.before;
  for (Value* input : joined.inputs) {
    requireShape(asIntegers(*input), input->c, output.h, output.w);
    channels += input->c;
  }
  if (joined.before < 0 || channels > output.c) throw std::invalid_argument("concatenation: its result has too few channels");
  joined.tables = tablesOf(read, joined.inputs.size());
  return std::make_unique<Int8Concatenation>(read.program(), output, std::move(joined));
});

}  // namespace

}  // namespace knack::cpu
