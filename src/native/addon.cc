// The Node-API door: everything TypeScript can reach is exported here, and nowhere else.
#include "allocator.h"
#include "handles.h"

namespace knack {

static Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  installAllocator();
  env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>()));
  exportHandles(env, exports);
  exportDispatch(env, exports);
  exportAutograd(env, exports);
  exportEngine(env, exports);
  exportSgd(env, exports);
  return exports;
}

}  // namespace knack

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return knack::initialise(env, exports); }

NODE_API_MODULE(knack, initialise)
