// A GPU simulated on the CPU, so that `--device cuda` can be tested without one. It takes CUDA's place in a libtorch that was built without CUDA:
// memory, streams, events, pinned memory, and every operator by the CPU's kernel for it, on the same memory. What it is strict about is what goes wrong
// on a real one: tensors of both devices in one operator are refused, and what a side stream copies is not there before an event of that stream was
// waited for: until then the memory holds NaN. It must be loaded before knack's addon. Written for libtorch 1.13.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <napi.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

namespace {

const c10::Device kGpu(c10::kCUDA, 0);

// What happened, a letter each: "o" operators (however many in a row), "a" a copy on a stream of its own, "r" its memory was claimed for another
// stream, "c" a copy in order, "w" the CPU waited for the GPU.
std::mutex traceMutex;
std::string trace;

void note(char what) {
  std::lock_guard<std::mutex> lock(traceMutex);
  if (what != 'o' || trace.empty() || trace.back() != 'o') trace += what;
}

struct DeviceMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const override {
    void* memory = bytes > 0 ? std::malloc(bytes) : nullptr;
    if (memory != nullptr) std::memset(memory, 0xFF, bytes);
    return {memory, memory, &std::free, kGpu};
  }
};

std::set<const void*>& pinnedMemory() {
  static auto* all = new std::set<const void*>();
  return *all;
}

std::mutex pinnedMutex;

struct PinnedMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const override {
    void* memory = std::malloc(std::max<size_t>(bytes, 1));
    std::lock_guard<std::mutex> lock(pinnedMutex);
    pinnedMemory().insert(memory);
    return {memory, memory, &release, c10::Device(c10::kCPU)};
  }
  static void release(void* memory) {
    std::lock_guard<std::mutex> lock(pinnedMutex);
    pinnedMemory().erase(memory);
    std::free(memory);
  }
};

DeviceMemory deviceMemory;
PinnedMemory pinnedAllocator;

// Stream 0 computes at once. What others are given waits here, until an event behind it is waited for.
struct Queue {
  std::deque<std::function<void()>> waiting;
  int64_t done = 0;
};
std::map<c10::StreamId, Queue> queues;
thread_local c10::StreamId currentStream = 0;

c10::Stream stream(c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, kGpu, id); }

struct RecordedEvent {
  c10::StreamId stream;
  int64_t after;
};

void runUntil(const RecordedEvent& event) {
  Queue& queue = queues[event.stream];
  while (queue.done < event.after) {
    queue.waiting.front()();
    queue.waiting.pop_front();
    ++queue.done;
  }
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return kGpu; }
  c10::Device getDevice() const override { return kGpu; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override { return stream(currentStream); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override {
    static c10::StreamId last = 0;
    return stream(++last);
  }
  c10::Stream exchangeStream(c10::Stream next) const noexcept override {
    return stream(std::exchange(currentStream, next.id()));
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** event, const c10::Stream& on, const c10::DeviceIndex, const c10::EventFlag) const override {
    const Queue& queue = queues[on.id()];
    *event = new RecordedEvent{on.id(), queue.done + static_cast<int64_t>(queue.waiting.size())};
  }
  void block(void* event, const c10::Stream&) const override {
    if (event != nullptr) runUntil(*static_cast<RecordedEvent*>(event));
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<RecordedEvent*>(event);
  }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard);

// The same memory seen from the CPU, and what the CPU made seen as the GPU's.
at::Tensor asCpu(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), [tensor](void*) {}, tensor.options().device(c10::kCPU));
}

at::Tensor asGpu(const at::Tensor& made) {
  if (!made.defined()) return made;
  return at::from_blob(made.data_ptr(), made.sizes(), made.strides(), [made](void*) {}, made.options().device(kGpu), kGpu);
}

using Originals = std::unordered_map<c10::TensorImpl*, at::Tensor>;

at::Tensor given(const at::Tensor& tensor, const std::string& name, Originals& originals) {
  if (!tensor.defined()) return tensor;
  if (!tensor.is_cuda()) {
    // As on a real one: of the CPU's tensors only single numbers may take part, and those of indices.
    TORCH_CHECK(tensor.dim() == 0, name, ": expected all tensors to be on the same device, found cuda:0 and cpu");
    return tensor;
  }
  // An empty one may be there to be filled: its memory must be able to grow.
  const bool empty = tensor.numel() == 0;
  at::Tensor alias = empty ? at::empty(tensor.sizes(), tensor.options().device(c10::kCPU)) : asCpu(tensor);
  originals.emplace(alias.unsafeGetTensorImpl(), tensor);
  return alias;
}

at::Tensor result(const at::Tensor& made, const Originals& originals) {
  if (!made.defined()) return made;
  const auto found = originals.find(made.unsafeGetTensorImpl());
  if (found == originals.end()) return asGpu(made);
  if (found->second.numel() == 0 && made.numel() > 0) {
    found->second.unsafeGetTensorImpl()->set_storage_keep_dtype(asGpu(made).storage());
    found->second.unsafeGetTensorImpl()->set_sizes_and_strides(made.sizes(), made.strides());
  }
  return found->second;
}

// Any operator of tensors on the GPU, by the CPU's kernel.
void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string& name = op.schema().name();
  TORCH_CHECK(currentStream == 0, name, ": the simulated GPU's side streams only copy");
  note('o');
  if (name == "aten::_local_scalar_dense" || name == "aten::equal" || name == "aten::nonzero") note('w');
  at::AutoDispatchBelowADInplaceOrView below;
  Originals originals;
  const size_t count = op.schema().arguments().size();
  for (size_t i = stack->size() - count; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = given(value.toTensor(), name, originals);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(given(tensor, name, originals));
      value = std::move(list);
    } else if (value.isDevice() && value.toDevice().is_cuda()) {
      value = c10::Device(c10::kCPU);
    }
  }
  op.callBoxed(stack);
  const size_t results = op.schema().returns().size();
  for (size_t i = stack->size() - results; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = result(value.toTensor(), originals);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(result(tensor, originals));
      value = std::move(list);
    }
  }
}

bool isPinned(const at::Tensor& tensor, c10::optional<at::Device>) {
  std::lock_guard<std::mutex> lock(pinnedMutex);
  return pinnedMemory().count(tensor.storage().data()) > 0;
}

at::Tensor pin(const at::Tensor& tensor, c10::optional<at::Device>) {
  const c10::DispatchKeySet cpu(c10::DispatchKey::CPU);
  at::Tensor pinned = at::detail::empty_generic(tensor.sizes(), &pinnedAllocator, cpu, tensor.scalar_type(), c10::nullopt);
  return pinned.copy_(tensor);
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool nonBlocking) {
  const bool there = self.is_cuda() && !source.is_cuda(), back = !self.is_cuda() && source.is_cuda();
  at::Tensor to = asCpu(self), from = asCpu(source);
  const auto run = [to, from] {
    at::AutoDispatchBelowADInplaceOrView below;
    to.copy_(from);
  };
  if (currentStream != 0) {
    TORCH_CHECK(there && nonBlocking && isPinned(source, c10::nullopt), "a side stream copies from pinned memory, without blocking");
    note('a');
    queues[currentStream].waiting.push_back(run);
    return self;
  }
  run();
  note(back || (there && !nonBlocking) ? 'w' : there ? 'c' : 'o');
  return self;
}

at::Tensor emptyOnGpu(c10::SymIntArrayRef size, c10::optional<at::ScalarType> type, c10::optional<at::Layout>,
                      c10::optional<at::Device>, c10::optional<bool>, c10::optional<at::MemoryFormat> format) {
  const c10::DispatchKeySet gpu(c10::DispatchKey::CUDA);
  return at::detail::empty_generic(c10::asIntArrayRefSlow(size), &deviceMemory, gpu, type.value_or(at::kFloat), format);
}

at::Tensor emptyStridedOnGpu(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, c10::optional<at::ScalarType> type,
                             c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>) {
  const c10::DispatchKeySet gpu(c10::DispatchKey::CUDA);
  return at::detail::empty_strided_generic(c10::asIntArrayRefSlow(size), c10::asIntArrayRefSlow(stride), &deviceMemory, gpu,
                                           type.value_or(at::kFloat));
}

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", emptyOnGpu);
  library.impl("empty_strided", emptyStridedOnGpu);
  library.impl("copy_", copy);
  library.impl("is_pinned", isPinned);
  library.impl("_pin_memory", pin);
  library.impl("record_stream", [](at::Tensor&, c10::Stream) { note('r'); });
  // Composites that would look for cuDNN, or for kernels that only GPUs have.
  library.impl("convolution", torch::CppFunction::makeFromBoxedFunction<&compute>());
  library.impl("convolution_backward", torch::CppFunction::makeFromBoxedFunction<&compute>());
}

// traced(): what happened since it was last asked.
Napi::Value traced(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(traceMutex);
  return Napi::String::New(info.Env(), std::exchange(trace, ""));
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("traced", Napi::Function::New(env, traced));
  return exports;
}

}  // namespace

namespace at {

// libtorch looks for this name.
struct CUDAHooks final : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void initCUDA() const override {}
  bool hasCUDA() const override { return true; }
  int getNumGPUs() const override { return 1; }
  int64_t current_device() const override { return 0; }
  bool hasPrimaryContext(int64_t) const override { return true; }
  Device getDeviceFromPtr(void*) const override { return kGpu; }
  bool isPinnedPtr(void* memory) const override { return pinnedMemory().count(memory) > 0; }
  Allocator* getPinnedMemoryAllocator() const override { return &pinnedAllocator; }
  std::string showConfig() const override { return ""; }
  const Generator& getDefaultCUDAGenerator(DeviceIndex) const override {
    static const Generator generator = make_generator<CPUGeneratorImpl>(0);
    return generator;
  }
};

REGISTER_CUDA_HOOKS(CUDAHooks);

}  // namespace at

NODE_API_MODULE(simulated_gpu, initialise)
