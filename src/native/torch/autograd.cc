#include <ATen/core/grad_mode.h>

#include <sstream>
#include <stdexcept>

#include "handles.h"

namespace knack {

namespace {

// backward(tensor, gradient, keepGraph): accumulates d loss / d leaf into every leaf's gradient. `gradient` is the loss's of the tensor; null: the
// tensor is the loss, a scalar.
Napi::Value backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Tensor loss = tensorOf(info[0]);
    if (!loss.requires_grad()) {
      throw std::invalid_argument("backward: the tensor does not depend on anything that requires a gradient");
    }
    const at::Tensor gradient = info[1].IsNull() ? at::Tensor() : tensorOf(info[1]);
    if (!gradient.defined() && loss.numel() != 1) {
      throw std::invalid_argument("backward: expected a scalar, got " + describe(loss));
    }
    loss.backward(gradient, info[2].As<Napi::Boolean>().Value());
    return info.Env().Undefined();
  });
}

// gradient(tensor): the tensor's accumulated gradient, or null.
Napi::Value gradient(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Tensor tensor = tensorOf(info[0]);
    if (!tensor.is_leaf()) return info.Env().Null();  // libtorch would print a warning
    return wrap(info.Env(), tensor.grad());
  });
}

// setGradient(tensor, gradient): float32, also where the tensor itself is 16 bit.
Napi::Value setGradient(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Tensor tensor = tensorOf(info[0]), gradient = tensorOf(info[1]);
    if (!tensor.is_leaf()) throw std::invalid_argument("setGradient: only a leaf keeps a gradient");
    if (tensor.sizes() != gradient.sizes()) throw std::invalid_argument("setGradient: the shapes differ");
    tensor.mutable_grad() = gradient;
    return info.Env().Undefined();
  });
}

Napi::Value clearGradient(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    tensorOf(info[0]).mutable_grad() = at::Tensor();
    return info.Env().Undefined();
  });
}

Napi::Value requiresGradient(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return Napi::Boolean::New(info.Env(), tensorOf(info[0]).requires_grad()); });
}

// setGradientMode(enabled): the mode before, of this thread.
Napi::Value setGradientMode(const Napi::CallbackInfo& info) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(info[0].As<Napi::Boolean>().Value());
  return Napi::Boolean::New(info.Env(), before);
}

}  // namespace

static const Exports exported([](Napi::Env env, Napi::Object exports) {
  exports.Set("backward", Napi::Function::New(env, backward));
  exports.Set("gradient", Napi::Function::New(env, gradient));
  exports.Set("setGradient", Napi::Function::New(env, setGradient));
  exports.Set("clearGradient", Napi::Function::New(env, clearGradient));
  exports.Set("requiresGradient", Napi::Function::New(env, requiresGradient));
  exports.Set("setGradientMode", Napi::Function::New(env, setGradientMode));
});

}  // namespace knack
