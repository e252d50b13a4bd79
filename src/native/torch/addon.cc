// The Node-API door: everything TypeScript can reach is exported here, and nowhere else.
#include <ATen/Context.h>

#include "allocator.h"
#include "handles.h"

namespace knack {

static Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  installAllocator();
  // A GPU's fastest algorithm of each convolution, found by trying: batches keep their size.
  at::globalContext().setBenchmarkCuDNN(true);
  env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>()));
  exportHandles(env, exports);
  exportDispatch(env, exports);
  exportAutograd(env, exports);
  exportEngine(env, exports);
  exportSgd(env, exports);
  exportTransfer(env, exports);
  return exports;
}

}  // namespace knack

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return knack::initialise(env, exports); }

NODE_API_MODULE(knack, initialise)
