#include "reader.h"

#include <map>

namespace knack::cpu {

namespace {

[[noreturn]] void wrong(const char* key, const char* expected) {
  throw std::invalid_argument(std::string(key) + ": expected " + expected);
}

// Made at its first use: registrations run before main, in any order.
std::map<std::string, Make>& kinds() {
  static std::map<std::string, Make> kinds;
  return kinds;
}

}  // namespace

bool Reader::has(const char* key) const {
  const Napi::Value value = object_.Get(key);
  return !value.IsUndefined() && !value.IsNull();
}

std::string Reader::text(const char* key) const {
  const Napi::Value value = object_.Get(key);
  if (!value.IsString()) wrong(key, "a string");
  return value.As<Napi::String>().Utf8Value();
}

double Reader::number(const char* key) const {
  const Napi::Value value = object_.Get(key);
  if (!value.IsNumber()) wrong(key, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

bool Reader::flag(const char* key) const {
  const Napi::Value value = object_.Get(key);
  if (!value.IsBoolean()) wrong(key, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::vector<int64_t> Reader::integers(const char* key, size_t count) const {
  const Napi::Value value = object_.Get(key);
  if (!value.IsArray()) wrong(key, "an array of integers");
  const Napi::Array array = value.As<Napi::Array>();
  if (count != 0 && array.Length() != count) wrong(key, "an array of another length");
  std::vector<int64_t> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsNumber()) wrong(key, "an array of integers");
    numbers.push_back(element.As<Napi::Number>().Int64Value());
  }
  return numbers;
}

Value& Reader::value(const char* key) const {
  const double index = number(key);
  if (!(index >= 0)) wrong(key, "the number of a value");
  return program().value(static_cast<size_t>(index));
}

Value& Reader::input(const char* key) const { return asInput(value(key)); }

std::vector<Value*> Reader::inputs(const char* key) const {
  std::vector<Value*> values;
  for (const int64_t index : integers(key)) values.push_back(&asInput(program().value(static_cast<size_t>(index))));
  return values;
}

Value& Reader::asInput(Value& value) const {
  value.lastRead = static_cast<int>(program().operations().size());
  return value;
}

Napi::TypedArray Reader::array(const char* key, napi_typedarray_type kind, const char* name, size_t count) const {
  const Napi::Value value = object_.Get(key);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != kind) wrong(key, name);
  const Napi::TypedArray array = value.As<Napi::TypedArray>();
  if (array.ElementLength() != count) {
    throw std::invalid_argument(std::string(key) + ": " + std::to_string(array.ElementLength()) + " numbers, not " +
                                std::to_string(count));
  }
  return array;
}

float* Reader::floats(const char* key, size_t count) const {
  const Napi::TypedArray numbers = array(key, napi_float32_array, "a Float32Array", count);
  compiled_.kept.push_back(Napi::Reference<Napi::TypedArray>::New(numbers, 1));
  return const_cast<float*>(numbers.As<Napi::Float32Array>().Data());
}

const uint8_t* Reader::bytes(const char* key, size_t count) const {
  const Napi::TypedArray numbers = array(key, napi_uint8_array, "a Uint8Array", count);
  compiled_.kept.push_back(Napi::Reference<Napi::TypedArray>::New(numbers, 1));
  return numbers.As<Napi::Uint8Array>().Data();
}

std::vector<float> Reader::copyOfFloats(const char* key, size_t count) const {
  const float* numbers = array(key, napi_float32_array, "a Float32Array", count).As<Napi::Float32Array>().Data();
  return std::vector<float>(numbers, numbers + count);
}

std::vector<int8_t> Reader::copyOfIntegers(const char* key, size_t count) const {
  const int8_t* numbers = array(key, napi_int8_array, "an Int8Array", count).As<Napi::Int8Array>().Data();
  return std::vector<int8_t>(numbers, numbers + count);
}

Parameter Reader::parameter(const char* key, const char* gradientKey, size_t count) const {
  Parameter parameter;
  parameter.data = floats(key, count);
  program().noteReader(parameter.data);
  if (has(gradientKey)) parameter.gradient = floats(gradientKey, count);
  return parameter;
}

Reader Reader::within(const char* key) const { return Reader(compiled_, object_.Get(key).As<Napi::Object>()); }

Geometry Reader::geometry() const {
  const auto kernel = integers("kernel", 2), stride = integers("stride", 2), padding = integers("padding", 4);
  for (const int64_t size : {kernel[0], kernel[1], stride[0], stride[1]}) {
    if (size < 1 || size > 4096) throw std::invalid_argument("a window's size and stride are 1 or more");
  }
  Geometry g;
  g.kernel = {kernel[0], kernel[1]};
  g.stride = {stride[0], stride[1]};
  g.before = {padding[0], padding[1]};
  g.after = {padding[2], padding[3]};
  return g;
}

Clamp Reader::clamp() const {
  Clamp clamp = {-INFINITY, INFINITY, {NAN, NAN, true}, false};
  if (!has("clamp")) return clamp;
  const Reader inner = within("clamp");
  clamp.low = static_cast<float>(inner.number("low"));
  clamp.high = static_cast<float>(inner.number("high"));
  // At the borders relu stops the gradient and clamp lets it through, and the other way round with NaN, as in libtorch.
  clamp.windowBefore = inner.flag("gradientAtBorders");
  clamp.window.nan = !clamp.windowBefore;
  if (clamp.low != -INFINITY) clamp.window.low = clamp.windowBefore ? std::nextafterf(clamp.low, -INFINITY) : clamp.low;
  if (clamp.high != INFINITY) clamp.window.high = clamp.windowBefore ? std::nextafterf(clamp.high, INFINITY) : clamp.high;
  return clamp;
}

void requireShape(const Value& value, int64_t c, int64_t h, int64_t w) {
  if (value.c == c && value.h == h && value.w == w) return;
  throw std::invalid_argument("an operation's result has another shape than was said");
}

int64_t windows(int64_t size, const Geometry& g, int axis) {
  return (size + g.before[axis] + g.after[axis] - g.kernel[axis]) / g.stride[axis] + 1;
}

Registration::Registration(const char* kind, Make make) { kinds().emplace(kind, make); }

std::unique_ptr<Operation> makeOperation(const Reader& read) {
  const std::string kind = read.text("kind");
  const auto found = kinds().find(kind);
  if (found == kinds().end()) throw std::invalid_argument("there is no operation " + kind);
  return found->second(read);
}

}  // namespace knack::cpu
