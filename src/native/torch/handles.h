// JavaScript's view of libtorch objects: a handle is a Napi::External over a Box, known to its environment.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>

// In a worker that is being terminated no exception can be thrown any more; without this the whole process would end.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

namespace knack {

struct Environment;

// What a handle points to: a Tensor, a Generator, or None once it was disposed. It keeps its environment alive, because when a
// thread ends its handles may be finalized after everything else.
struct Box {
  c10::IValue value;
  std::shared_ptr<Environment> owner;
};

// JavaScript buffers whose memory a tensor borrowed and has let go of. The last owner of a tensor may be any thread, but a
// reference can only be deleted on JavaScript's, so they wait here for the next call.
struct ReleasedBuffers {
  std::mutex mutex;
  std::vector<napi_ref> references;
};

// One for each JavaScript thread that has loaded the addon.
struct Environment {
  std::unordered_set<Box*> boxes;
  int64_t liveTensors = 0;
  std::shared_ptr<ReleasedBuffers> released = std::make_shared<ReleasedBuffers>();
};

std::shared_ptr<Environment> environmentOf(Napi::Env env);

Napi::Value wrap(Napi::Env env, at::Tensor tensor);
Napi::Value wrap(Napi::Env env, at::Generator generator);

// The Box behind a JavaScript value, or nullptr where the value is no handle of ours.
Box* boxOf(const Napi::Value& value);
// Throw a std::invalid_argument where the value is no tensor (or generator), or one that was disposed.
at::Tensor tensorOf(const Napi::Value& value);
at::Generator generatorOf(const Napi::Value& value);

// "float32[8, 3, 32, 32]"
std::string describe(const at::Tensor& tensor);
const char* nameOf(at::ScalarType type);
// Throws std::invalid_argument where there is no such dtype.
at::ScalarType dtypeOf(const std::string& name);

// The message of a C++ exception in flight, without its backtrace.
std::string currentExceptionMessage();

// Runs `body`, turning whatever C++ exception it throws into a JavaScript error.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Napi::Error::New(env, currentExceptionMessage());
  }
}

// What a file gives JavaScript: `static const Exports exported([](Napi::Env env, Napi::Object exports) { … });` in that file.
struct Exports {
  using Fill = void (*)(Napi::Env, Napi::Object);
  explicit Exports(Fill fill) { all().push_back(fill); }

  // Made at its first use: the static ones run before main, in any order.
  static std::vector<Fill>& all();
};

}  // namespace knack
