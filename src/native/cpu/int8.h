// What operations on integers of 8 bits share. Activations are uint8: number = scale x (integer - zero point). TypeScript knows the scales and zero
// points; operations are told what to multiply by and what to add, in the result's steps (src/onnx/fast).
#pragma once

#include "int8-loops.h"
#include "reader.h"

namespace knack::cpu {

class Int8Operation : public Operation {
 public:
  explicit Int8Operation(Program& program) : program_(program) {
    if (program.settings.training) throw std::invalid_argument("integers are for inference only");
  }

  void planBackward(int) final {}
  void bind() override {}
  void backward() final {}

 protected:
  Program& program_;
};

// @throws std::invalid_argument where the value holds something else
inline Value& asIntegers(Value& value) {
  if (!value.integers) throw std::invalid_argument("an operation on integers was given something else");
  return value;
}

// Calls body(first, last) for parts of so many items, in parallel.
// @param elements of an item
template <typename Body>
void inParts(size_t items, size_t elements, const Body& body) {
  constexpr size_t kPart = 1 << 13;
  const size_t size = elements < kPart ? kPart / elements : 1;
  const int64_t parts = static_cast<int64_t>((items + size - 1) / size);
#pragma omp parallel for schedule(static)
  for (int64_t part = 0; part < parts; ++part) {
    const size_t first = part * size;
    body(first, first + size < items ? first + size : items);
  }
}

}  // namespace knack::cpu
