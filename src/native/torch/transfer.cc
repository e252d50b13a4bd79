// Copies to a device on a stream of their own, so that they run beside what the device computes. By c10's interfaces for any device: no header of CUDA.
#include <ATen/core/grad_mode.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <mutex>

#include "handles.h"

namespace knack {

namespace {

// The stream of a device that only copies.
c10::Stream copyStream(at::Device device) {
  static auto* mutex = new std::mutex();
  static auto* streams = new std::map<at::Device, c10::Stream, bool (*)(at::Device, at::Device)>(
      [](at::Device a, at::Device b) { return a.index() < b.index(); });
  const c10::impl::VirtualGuardImpl backend(device.type());
  if (!device.has_index()) device = backend.getDevice();
  std::lock_guard<std::mutex> lock(*mutex);
  const auto found = streams->find(device);
  if (found != streams->end()) return found->second;
  return streams->emplace(device, backend.getStreamFromGlobalPool(device)).first->second;
}

// copyAside(tensor, device): the copy, which is there once `awaitCopy` was called for it. The source lies in pinned memory, which libtorch's
// allocator keeps until the copy has read it.
Napi::Value copyAside(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::NoGradGuard noGradient;
    const at::Tensor source = tensorOf(info[0]).pin_memory();
    const c10::Stream stream = copyStream(at::Device(info[1].As<Napi::String>().Utf8Value()));
    const c10::StreamGuard guard(stream);
    return wrap(info.Env(), source.to(stream.device(), source.scalar_type(), /*non_blocking=*/true));
  });
}

// awaitCopy(tensor): what is computed from now on waits, on the device, for the copies begun so far; this thread does not wait.
Napi::Value awaitCopy(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor tensor = tensorOf(info[0]);
    const c10::Stream current = c10::impl::VirtualGuardImpl(tensor.device().type()).getStream(tensor.device());
    c10::Event copied(tensor.device().type());
    copied.record(copyStream(tensor.device()));
    copied.block(current);
    // Its memory belongs to the other stream, which must not give it away before this one has read it.
    tensor.record_stream(current);
    return info.Env().Undefined();
  });
}

}  // namespace

static const Exports exported([](Napi::Env env, Napi::Object exports) {
  exports.Set("copyAside", Napi::Function::New(env, copyAside));
  exports.Set("awaitCopy", Napi::Function::New(env, awaitCopy));
});

}  // namespace knack
