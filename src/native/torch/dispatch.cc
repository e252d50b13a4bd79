// The one door to ATen: operators are looked up by schema, and arguments follow the schema's own types, so the same source
// serves every libtorch whatever operators and defaults it has.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <torch/version.h>

#include <cmath>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#include "handles.h"

namespace knack {

namespace {

[[noreturn]] void wrongType(const char* expected) { throw std::invalid_argument(std::string("expected ") + expected); }

std::string toString(const Napi::Value& value, const char* expected) {
  if (!value.IsString()) wrongType(expected);
  return value.As<Napi::String>().Utf8Value();
}

// Dtypes, layouts and memory formats are integers inside libtorch, which does not check them: only names are let in.
int64_t toDType(const Napi::Value& value) {
  return static_cast<int64_t>(dtypeOf(toString(value, "the name of a dtype")));
}

int64_t toLayout(const Napi::Value& value) {
  if (toString(value, "the name of a layout") != "strided") wrongType("the layout \"strided\"");
  return static_cast<int64_t>(at::Layout::Strided);
}

int64_t toMemoryFormat(const Napi::Value& value) {
  static const std::unordered_map<std::string, at::MemoryFormat> formats = {
      {"contiguous", at::MemoryFormat::Contiguous},
      {"preserve", at::MemoryFormat::Preserve},
      {"channels_last", at::MemoryFormat::ChannelsLast},
  };
  auto found = formats.find(toString(value, "the name of a memory format"));
  if (found == formats.end()) wrongType("\"contiguous\", \"preserve\" or \"channels_last\"");
  return static_cast<int64_t>(found->second);
}

int64_t toInteger(const Napi::Value& value) {
  if (!value.IsNumber()) wrongType("an integer");
  double number = value.As<Napi::Number>().DoubleValue();
  if (std::nearbyint(number) != number || std::abs(number) > 9007199254740991.0) wrongType("an integer");
  return static_cast<int64_t>(number);
}

double toNumber(const Napi::Value& value) {
  if (!value.IsNumber()) wrongType("a number");
  return value.As<Napi::Number>().DoubleValue();
}

bool toBoolean(const Napi::Value& value) {
  if (!value.IsBoolean()) wrongType("a boolean");
  return value.As<Napi::Boolean>().Value();
}

at::Scalar toScalar(const Napi::Value& value) {
  if (value.IsBoolean()) return at::Scalar(toBoolean(value));
  double number = toNumber(value);
  const bool integral = std::nearbyint(number) == number && std::abs(number) <= 9007199254740991.0;
  return integral ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
}

template <typename T, typename Convert>
c10::IValue toList(const Napi::Value& value, c10::optional<int32_t> length, Convert convert) {
  std::vector<T> list;
  if (value.IsArray()) {
    Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) list.push_back(convert(array.Get(i)));
  } else if (length.has_value()) {
    list.assign(*length, convert(value));  // "int[2] stride" also takes one integer
  } else {
    wrongType("an array");
  }
  return c10::IValue(std::move(list));
}

c10::IValue toIValue(const Napi::Value& value, const c10::TypePtr& type, c10::optional<int32_t> length) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      return tensorOf(value);
    case c10::TypeKind::OptionalType:
      if (value.IsNull()) return c10::IValue();
      return toIValue(value, type->expectRef<c10::OptionalType>().getElementType(), length);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      return toInteger(value);
    case c10::TypeKind::ScalarTypeType:
      return toDType(value);
    case c10::TypeKind::LayoutType:
      return toLayout(value);
    case c10::TypeKind::MemoryFormatType:
      return toMemoryFormat(value);
    case c10::TypeKind::FloatType:
      return toNumber(value);
    case c10::TypeKind::BoolType:
      return toBoolean(value);
    case c10::TypeKind::NumberType:
      return toScalar(value);
    case c10::TypeKind::StringType:
      return toString(value, "a string");
    case c10::TypeKind::DeviceObjType:
      return at::Device(toString(value, "a device such as \"cpu\" or \"cuda:0\""));
    case c10::TypeKind::GeneratorType:
      return generatorOf(value);
    case c10::TypeKind::ListType: {
      const c10::TypePtr element = type->expectRef<c10::ListType>().getElementType();
      switch (element->kind()) {
        case c10::TypeKind::TensorType:
          return toList<at::Tensor>(value, length, tensorOf);
        case c10::TypeKind::IntType:
        case c10::TypeKind::SymIntType:
          return toList<int64_t>(value, length, toInteger);
        case c10::TypeKind::FloatType:
          return toList<double>(value, length, toNumber);
        case c10::TypeKind::BoolType: {
          c10::List<bool> list;
          if (value.IsArray()) {
            Napi::Array array = value.As<Napi::Array>();
            for (uint32_t i = 0; i < array.Length(); ++i) list.push_back(toBoolean(array.Get(i)));
          } else {
            wrongType("an array of booleans");
          }
          return list;
        }
        default:
          break;
      }
      break;
    }
    default:
      break;
  }
  throw std::invalid_argument("arguments of type " + type->str() + " cannot be passed from JavaScript");
}

Napi::Value toJavaScript(Napi::Env env, const c10::IValue& value) {
  if (value.isTensor()) return wrap(env, value.toTensor());
  if (value.isNone()) return env.Null();
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isList() || value.isTuple()) {
    Napi::Array array = Napi::Array::New(env);
    uint32_t index = 0;
    if (value.isTuple()) {
      for (const c10::IValue& element : value.toTupleRef().elements()) array.Set(index++, toJavaScript(env, element));
    } else {
      for (const c10::IValue& element : value.toListRef()) array.Set(index++, toJavaScript(env, element));
    }
    return array;
  }
  throw std::invalid_argument("a result of type " + value.tagKind() + " cannot be passed to JavaScript");
}

std::string describeArgument(const c10::IValue& value) {
  if (value.isTensor()) return describe(value.toTensor());
  std::ostringstream text;
  if (value.isTensorList()) {
    const auto tensors = value.toTensorVector();
    text << tensors.size() << " tensors";
    if (!tensors.empty()) text << ", first " << describe(tensors[0]);
  } else if (value.isGenerator()) {
    text << "generator";
  } else {
    text << value;
  }
  return text.str();
}

std::string describeCall(const c10::FunctionSchema& schema, const std::vector<c10::IValue>& arguments) {
  std::ostringstream text;
  const char* separator = "";
  for (size_t i = 0; i < arguments.size(); ++i) {
    const c10::Argument& argument = schema.arguments()[i];
    if (arguments[i].isNone()) continue;
    text << separator << argument.name() << ": " << describeArgument(arguments[i]);
    separator = ", ";
  }
  return text.str();
}

// One table for the whole process: schemas do not change once libtorch is loaded.
std::vector<c10::OperatorHandle>& operators() {
  static auto* table = new std::vector<c10::OperatorHandle>();
  return *table;
}

std::mutex& operatorsMutex() {
  static auto* mutex = new std::mutex();
  return *mutex;
}

c10::OperatorHandle operatorAt(uint32_t index) {
  std::lock_guard<std::mutex> lock(operatorsMutex());
  if (index >= operators().size()) throw std::invalid_argument("no operator has this number");
  return operators()[index];
}

// findOperator("aten::add", "Tensor"): a number for `call`.
Napi::Value findOperator(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string name = info[0].As<Napi::String>().Utf8Value();
    const std::string overload = info[1].As<Napi::String>().Utf8Value();
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!found.has_value()) {
      throw std::invalid_argument("this libtorch (" TORCH_VERSION ") has no operator " + name +
                                  (overload.empty() ? "" : "." + overload));
    }
    std::lock_guard<std::mutex> lock(operatorsMutex());
    operators().push_back(*found);
    return Napi::Number::New(info.Env(), static_cast<double>(operators().size() - 1));
  });
}

// call(operator, arguments): undefined and left out arguments take the schema's default.
Napi::Value call(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    c10::OperatorHandle handle = operatorAt(info[0].As<Napi::Number>().Uint32Value());
    const c10::FunctionSchema& schema = handle.schema();
    if (!info[1].IsArray()) throw std::invalid_argument(schema.name() + ": expected an array of arguments");
    Napi::Array given = info[1].As<Napi::Array>();
    if (given.Length() > schema.arguments().size()) {
      throw std::invalid_argument(schema.name() + ": takes " + std::to_string(schema.arguments().size()) +
                                  " arguments, got " + std::to_string(given.Length()));
    }
    std::vector<c10::IValue> stack;
    stack.reserve(schema.arguments().size());
    for (uint32_t i = 0; i < schema.arguments().size(); ++i) {
      const c10::Argument& argument = schema.arguments()[i];
      const Napi::Value value = i < given.Length() ? given.Get(i) : env.Undefined();
      if (value.IsUndefined()) {
        if (!argument.default_value().has_value()) {
          throw std::invalid_argument(schema.name() + ": argument '" + argument.name() + "' is missing");
        }
        stack.push_back(*argument.default_value());
        continue;
      }
      try {
        stack.push_back(toIValue(value, argument.real_type(), argument.N()));
        // libtorch 1.13 keeps a convolution's groups in 32 bits and divides by them: 2^32 would end the process.
        if (argument.name() == "groups" && stack.back().isInt() && stack.back().toInt() > INT32_MAX) {
          wrongType("a 32-bit integer");
        }
      } catch (...) {
        throw std::invalid_argument(schema.name() + ": argument '" + argument.name() + "': " + currentExceptionMessage());
      }
    }
    const std::vector<c10::IValue> arguments = stack;
    try {
      handle.callBoxed(&stack);
    } catch (...) {
      throw std::runtime_error(schema.name() + "(" + describeCall(schema, arguments) + "): " + currentExceptionMessage());
    }
    if (stack.empty()) return env.Undefined();
    if (stack.size() == 1) return toJavaScript(env, stack[0]);
    Napi::Array results = Napi::Array::New(env, stack.size());
    for (uint32_t i = 0; i < stack.size(); ++i) results.Set(i, toJavaScript(env, stack[i]));
    return results;
  });
}

}  // namespace

static const Exports exported([](Napi::Env env, Napi::Object exports) {
  exports.Set("findOperator", Napi::Function::New(env, findOperator));
  exports.Set("call", Napi::Function::New(env, call));
});

}  // namespace knack
