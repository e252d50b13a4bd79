// The Node-API door: TypeScript can reach what the files beside this one say that they export.
#include <ATen/Context.h>

#include "allocator.h"
#include "handles.h"

namespace knack {

std::vector<Exports::Fill>& Exports::all() {
  static std::vector<Fill> all;
  return all;
}

static Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  installAllocator();
  // A GPU's fastest algorithm of each convolution, found by trying: batches keep their size.
  at::globalContext().setBenchmarkCuDNN(true);
  env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>()));
  for (const Exports::Fill fill : Exports::all()) fill(env, exports);
  return exports;
}

}  // namespace knack

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return knack::initialise(env, exports); }

NODE_API_MODULE(knack, initialise)
