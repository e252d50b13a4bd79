// What libtorch was found and how it is set: version, devices, threads, random state.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

#include <stdexcept>

#include "allocator.h"
#include "handles.h"

namespace knack {

namespace {

Napi::Value describeEngine(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Napi::Object facts = Napi::Object::New(env);
    facts.Set("version", TORCH_VERSION);
    facts.Set("configuration", at::show_config());
    facts.Set("oneDnn", at::hasMKLDNN());
    facts.Set("cudaDevices", at::hasCUDA() ? static_cast<double>(at::detail::getCUDAHooks().getNumGPUs()) : 0.0);
    return facts;
  });
}

Napi::Value threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), at::get_num_threads()); }

// setDeterministic(on)
Napi::Value setDeterministic(const Napi::CallbackInfo& info) {
  const bool on = info[0].ToBoolean().Value();
  at::globalContext().setDeterministicCuDNN(on);
  // Otherwise a GPU's fastest algorithm of each convolution is found by trying: batches keep their size.
  at::globalContext().setBenchmarkCuDNN(!on);
  return info.Env().Undefined();
}

// OpenMP keeps the number for each calling thread, so whoever computes sets it for itself.
Napi::Value setThreads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const double count = info[0].As<Napi::Number>().DoubleValue();
    // OpenMP ends the process where it cannot start as many threads as it was told to.
    if (!(count >= 1 && count <= 1024)) throw std::invalid_argument("setThreads: expected 1 to 1024 threads");
    at::set_num_threads(static_cast<int>(count));
    // Starts them now, before others take the last that the system gives, by sums enough for all of them: OpenMP's, and those of a pool that
    // libtorch makes again in each of OpenMP's threads when that first asks for their number, as it does in sums along a dimension.
    if (count > 1) at::ones({static_cast<int64_t>(count), at::internal::GRAIN_SIZE}).sum(1);
    return info.Env().Undefined();
  });
}

Napi::Value releaseKeptMemory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    releaseKeptPages();
    return info.Env().Undefined();
  });
}

// createGenerator(seed, device)
Napi::Value createGenerator(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto seed = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    const at::Device device(info[1].As<Napi::String>().Utf8Value());
    if (device.is_cpu()) return wrap(info.Env(), at::make_generator<at::CPUGeneratorImpl>(seed));
    at::Generator generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(seed);
    return wrap(info.Env(), generator);
  });
}

// generatorState(generator): uint8 tensor
Napi::Value generatorState(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Generator generator = generatorOf(info[0]);
    std::lock_guard<std::mutex> lock(generator.mutex());
    return wrap(info.Env(), generator.get_state());
  });
}

Napi::Value setGeneratorState(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Generator generator = generatorOf(info[0]);
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(tensorOf(info[1]));
    return info.Env().Undefined();
  });
}

}  // namespace

static const Exports exported([](Napi::Env env, Napi::Object exports) {
  exports.Set("describeEngine", Napi::Function::New(env, describeEngine));
  exports.Set("threads", Napi::Function::New(env, threads));
  exports.Set("setDeterministic", Napi::Function::New(env, setDeterministic));
  exports.Set("setThreads", Napi::Function::New(env, setThreads));
  exports.Set("releaseKeptMemory", Napi::Function::New(env, releaseKeptMemory));
  exports.Set("createGenerator", Napi::Function::New(env, createGenerator));
  exports.Set("generatorState", Napi::Function::New(env, generatorState));
  exports.Set("setGeneratorState", Napi::Function::New(env, setGeneratorState));
});

}  // namespace knack
