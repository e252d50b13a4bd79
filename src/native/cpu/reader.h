// An operation's description, as TypeScript gives it, and the kinds of operations there are. Each kernel's file registers its own kind.
#pragma once

#include <napi.h>

#include "program.h"

namespace knack::cpu {

// A program, and what JavaScript gave memory for: that stays referenced as long as the program may touch it.
struct Compiled {
  std::unique_ptr<Program> program;
  std::vector<Napi::Reference<Napi::TypedArray>> kept;
};

// Reads an object. Every function throws std::invalid_argument where the key holds something else.
class Reader {
 public:
  Reader(Compiled& compiled, const Napi::Object& object) : compiled_(compiled), object_(object) {}

  Program& program() const { return *compiled_.program; }

  bool has(const char* key) const;
  std::string text(const char* key) const;
  double number(const char* key) const;
  bool flag(const char* key) const;
  // @param count how many there must be; 0 for any number
  std::vector<int64_t> integers(const char* key, size_t count = 0) const;
  // A Float32Array over shared memory, which cannot be detached, of just so many elements.
  float* floats(const char* key, size_t count) const;
  // The same of a Uint8Array.
  const uint8_t* bytes(const char* key, size_t count) const;
  // What a Float32Array or an Int8Array of so many elements holds now.
  std::vector<float> copyOfFloats(const char* key, size_t count) const;
  std::vector<int8_t> copyOfIntegers(const char* key, size_t count) const;
  // The gradient is null where the key is missing.
  Parameter parameter(const char* key, const char* gradientKey, size_t count) const;
  Geometry geometry() const;
  Clamp clamp() const;
  Reader within(const char* key) const;

  // The value with the number that stands there.
  Value& value(const char* key) const;
  // The same for a value that the operation reads.
  Value& input(const char* key) const;
  std::vector<Value*> inputs(const char* key) const;

 private:
  Value& asInput(Value& value) const;
  // @param kind and its name, "a Float32Array". @throws std::invalid_argument where the key holds something else, or another count
  Napi::TypedArray array(const char* key, napi_typedarray_type kind, const char* name, size_t count) const;

  Compiled& compiled_;
  Napi::Object object_;
};

// @throws std::invalid_argument where the value has other sizes
void requireShape(const Value& value, int64_t c, int64_t h, int64_t w);

// How many windows fit along an axis, 0 for the height and 1 for the width.
int64_t windows(int64_t size, const Geometry& g, int axis);

using Make = std::unique_ptr<Operation> (*)(const Reader&);

// Says under which name TypeScript describes a kind of operation, and how one is made: `const Registration linear("linear", [](const Reader&) …)`.
struct Registration {
  Registration(const char* kind, Make make);
};

// The operation that is described. @throws std::invalid_argument, with its name, where nobody has registered the kind
std::unique_ptr<Operation> makeOperation(const Reader& read);

}  // namespace knack::cpu
