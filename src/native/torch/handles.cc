#include "handles.h"

#include <ATen/core/grad_mode.h>

#include <cstring>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace knack {

namespace {

struct NamedType {
  const char* name;
  at::ScalarType type;
};

constexpr NamedType kTypes[] = {
    {"float32", at::kFloat}, {"float64", at::kDouble}, {"float16", at::kHalf}, {"bfloat16", at::kBFloat16},
    {"int64", at::kLong},    {"int32", at::kInt},      {"int16", at::kShort},  {"int8", at::kChar},
    {"uint8", at::kByte},    {"bool", at::kBool},
};

void release(Box* box) {
  if (box->value.isTensor()) box->owner->liveTensors -= 1;
  box->value = c10::IValue();
}

Napi::Value wrapValue(Napi::Env env, c10::IValue value) {
  auto box = std::make_unique<Box>(Box{std::move(value), environmentOf(env)});
  const Napi::Value handle = Napi::External<Box>::New(env, box.get(), [](Napi::Env, Box* dead) {
    release(dead);
    dead->owner->boxes.erase(dead);
    delete dead;
  });
  Box* known = box.release();
  known->owner->boxes.insert(known);
  if (known->value.isTensor()) known->owner->liveTensors += 1;
  return handle;
}

void deleteReleasedBuffers(Napi::Env env) {
  std::vector<napi_ref> references;
  ReleasedBuffers& released = *environmentOf(env)->released;
  {
    std::lock_guard<std::mutex> lock(released.mutex);
    references.swap(released.references);
  }
  for (napi_ref reference : references) napi_delete_reference(env, reference);
}

struct Bytes {
  uint8_t* data;
  size_t length;
  bool shared;
};

Bytes bytesOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw std::invalid_argument("expected a typed array");
  Napi::TypedArray array = value.As<Napi::TypedArray>();
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  size_t offset = 0;
  if (napi_get_typedarray_info(value.Env(), array, &type, &length, &data, &buffer, &offset) != napi_ok) {
    throw std::invalid_argument("the typed array's memory cannot be read");
  }
  bool plain = false;
  napi_is_arraybuffer(value.Env(), buffer, &plain);
  return {static_cast<uint8_t*>(data), array.ByteLength(), !plain};
}

// fromBuffer(typedArray, dtype, shape): shared memory is borrowed, other memory copied, since JavaScript may detach it.
Napi::Value fromBuffer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    deleteReleasedBuffers(env);
    Bytes bytes = bytesOf(info[0]);
    at::ScalarType type = dtypeOf(info[1].As<Napi::String>().Utf8Value());
    Napi::Array sizes = info[2].As<Napi::Array>();
    std::vector<int64_t> shape;
    const size_t itemSize = c10::elementSize(type);
    size_t needed = itemSize;
    for (uint32_t i = 0; i < sizes.Length(); ++i) {
      int64_t size = sizes.Get(i).As<Napi::Number>().Int64Value();
      if (size < 0) throw std::invalid_argument("a shape must not have a negative size");
      if (size != 0 && needed > std::numeric_limits<size_t>::max() / static_cast<size_t>(size)) {
        throw std::invalid_argument("the shape is too large");
      }
      needed *= static_cast<size_t>(size);
      shape.push_back(size);
    }
    if (needed != bytes.length) {
      std::ostringstream message;
      message << "a " << nameOf(type) << " tensor of shape " << c10::IntArrayRef(shape) << " needs " << needed
              << " bytes, the buffer has " << bytes.length;
      throw std::invalid_argument(message.str());
    }
    const bool aligned = reinterpret_cast<uintptr_t>(bytes.data) % itemSize == 0;
    if (bytes.shared && aligned && bytes.length > 0) {
      napi_ref reference = nullptr;
      napi_create_reference(env, info[0], 1, &reference);
      std::shared_ptr<ReleasedBuffers> released = environmentOf(env)->released;
      at::Tensor borrowed = at::from_blob(
          bytes.data, shape,
          [released, reference](void*) {
            std::lock_guard<std::mutex> lock(released->mutex);
            released->references.push_back(reference);
          },
          at::TensorOptions().dtype(type));
      return wrap(env, borrowed);
    }
    at::Tensor copy = at::empty(shape, at::TensorOptions().dtype(type));
    if (bytes.length > 0) std::memcpy(copy.data_ptr(), bytes.data, bytes.length);
    return wrap(env, copy);
  });
}

// toBuffer(tensor): ArrayBuffer with the elements in row-major order.
Napi::Value toBuffer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::NoGradGuard noGrad;
    at::Tensor tensor = tensorOf(info[0]).detach();
    if (tensor.layout() != at::kStrided) tensor = tensor.to_dense();
    tensor = tensor.to(at::kCPU).contiguous();
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(info.Env(), tensor.nbytes());
    if (tensor.nbytes() > 0) std::memcpy(buffer.Data(), tensor.data_ptr(), tensor.nbytes());
    return buffer;
  });
}

Napi::Value shape(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Tensor tensor = tensorOf(info[0]);
    Napi::Array sizes = Napi::Array::New(info.Env(), tensor.dim());
    for (int64_t i = 0; i < tensor.dim(); ++i) sizes.Set(static_cast<uint32_t>(i), static_cast<double>(tensor.size(i)));
    return sizes;
  });
}

Napi::Value dtype(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::String::New(info.Env(), nameOf(tensorOf(info[0]).scalar_type()));
  });
}

Napi::Value device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return Napi::String::New(info.Env(), tensorOf(info[0]).device().str()); });
}

Napi::Value dispose(const Napi::CallbackInfo& info) {
  Box* box = boxOf(info[0]);
  if (box != nullptr) release(box);
  return info.Env().Undefined();
}

Napi::Value isDisposed(const Napi::CallbackInfo& info) {
  Box* box = boxOf(info[0]);
  return Napi::Boolean::New(info.Env(), box == nullptr || box->value.isNone());
}

Napi::Value liveTensors(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(environmentOf(info.Env())->liveTensors));
}

}  // namespace

std::shared_ptr<Environment> environmentOf(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Environment>>();
}

Napi::Value wrap(Napi::Env env, at::Tensor tensor) {
  if (!tensor.defined()) return env.Null();
  return wrapValue(env, c10::IValue(std::move(tensor)));
}

Napi::Value wrap(Napi::Env env, at::Generator generator) { return wrapValue(env, c10::IValue(std::move(generator))); }

Box* boxOf(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  Box* box = value.As<Napi::External<Box>>().Data();
  return environmentOf(value.Env())->boxes.count(box) > 0 ? box : nullptr;
}

at::Tensor tensorOf(const Napi::Value& value) {
  Box* box = boxOf(value);
  if (box == nullptr) throw std::invalid_argument("expected a tensor");
  if (box->value.isNone()) throw std::invalid_argument("the tensor was already disposed");
  if (!box->value.isTensor()) throw std::invalid_argument("expected a tensor, got a generator");
  return box->value.toTensor();
}

at::Generator generatorOf(const Napi::Value& value) {
  Box* box = boxOf(value);
  if (box != nullptr && box->value.isNone()) throw std::invalid_argument("the generator was already disposed");
  if (box == nullptr || !box->value.isGenerator()) throw std::invalid_argument("expected a generator");
  return box->value.toGenerator();
}

const char* nameOf(at::ScalarType type) {
  for (const NamedType& entry : kTypes) {
    if (entry.type == type) return entry.name;
  }
  return c10::toString(type);
}

at::ScalarType dtypeOf(const std::string& name) {
  for (const NamedType& entry : kTypes) {
    if (name == entry.name) return entry.type;
  }
  throw std::invalid_argument("no such dtype: '" + name + "'");
}

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  std::ostringstream text;
  text << nameOf(tensor.scalar_type()) << "[";
  for (int64_t i = 0; i < tensor.dim(); ++i) text << (i > 0 ? ", " : "") << tensor.size(i);
  text << "]";
  if (!tensor.device().is_cpu()) text << " on " << tensor.device().str();
  return text.str();
}

std::string currentExceptionMessage() {
  try {
    throw;
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "unknown C++ exception";
  }
}

static const Exports exported([](Napi::Env env, Napi::Object exports) {
  exports.Set("fromBuffer", Napi::Function::New(env, fromBuffer));
  exports.Set("toBuffer", Napi::Function::New(env, toBuffer));
  exports.Set("shape", Napi::Function::New(env, shape));
  exports.Set("dtype", Napi::Function::New(env, dtype));
  exports.Set("device", Napi::Function::New(env, device));
  exports.Set("dispose", Napi::Function::New(env, dispose));
  exports.Set("isDisposed", Napi::Function::New(env, isDisposed));
  exports.Set("liveTensors", Napi::Function::New(env, liveTensors));
});

}  // namespace knack
