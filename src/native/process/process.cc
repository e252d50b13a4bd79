// What Node does not tell or let a program do about its own process.
#include <napi.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>

#include <cerrno>

#include <condition_variable>
#include <mutex>
#include <vector>

namespace {

// Threads that wait until all are there, so that they count at the same time.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
};

void* wait(void* argument) {
  Gate& gate = *static_cast<Gate*>(argument);
  std::unique_lock<std::mutex> lock(gate.mutex);
  gate.opened.wait(lock, [&gate] { return gate.open; });
  return nullptr;
}

// startableThreads(wanted): how many of so many threads can be there at once. They are started and ended again: no figure of
// the system says what its several limits together allow.
Napi::Value StartableThreads(const Napi::CallbackInfo& info) {
  const size_t wanted = info[0].As<Napi::Number>().Uint32Value();
  Gate gate;
  std::vector<pthread_t> threads;
  threads.reserve(wanted);
  for (pthread_t thread; threads.size() < wanted && pthread_create(&thread, nullptr, wait, &gate) == 0;) {
    threads.push_back(thread);
  }
  {
    const std::lock_guard<std::mutex> lock(gate.mutex);
    gate.open = true;
  }
  gate.opened.notify_all();
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  return Napi::Number::New(info.Env(), static_cast<double>(threads.size()));
}

// setEnvironment(name, value): as `process.env[name] = value` on the main thread; undefined removes it. A worker's process.env
// is a copy that C libraries do not see.
void SetEnvironment(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  if (info[1].IsUndefined()) {
    unsetenv(name.c_str());
  } else {
    setenv(name.c_str(), info[1].As<Napi::String>().Utf8Value().c_str(), 1);
  }
}

// tryLock(file): locks an open file for this process: true, or false where another has it; undefined where its file system knows no locks.
Napi::Value TryLock(const Napi::CallbackInfo& info) {
  if (flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  return errno == EWOULDBLOCK ? Napi::Boolean::New(info.Env(), false) : info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("startableThreads", Napi::Function::New(env, StartableThreads));
  exports.Set("tryLock", Napi::Function::New(env, TryLock));
  exports.Set("setEnvironment", Napi::Function::New(env, SetEnvironment));
  return exports;
}

}  // namespace

NODE_API_MODULE(process, Init)
