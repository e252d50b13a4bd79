// The optimizer's update in one reading of its tensors: operator by operator it would read and write them five times.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <stdexcept>

#include "handles.h"

namespace knack {

namespace {

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define KNACK_WIDEST __attribute__((target_clones("arch=x86-64-v3", "default"), optimize("O3", "fp-contract=off")))
#else
#define KNACK_WIDEST
#endif

struct Step {
  float lr, momentum, decay, scale;
  bool nesterov;
};

// Rounded where libtorch's own operators round, so that 16-bit trainings go PyTorch's way to the bit.
KNACK_WIDEST void update(float* w, const float* g, float* v, int64_t count, Step step) {
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = __builtin_fmaf(step.decay, w[i], g[i] * step.scale);
    const float velocity = step.momentum * v[i] + gradient;
    v[i] = velocity;
    const float direction = step.nesterov ? __builtin_fmaf(step.momentum, velocity, gradient) : velocity;
    w[i] = __builtin_fmaf(-step.lr, direction, w[i]);
  }
}

std::vector<at::Tensor> tensorsOf(const Napi::Value& value) {
  if (!value.IsArray()) throw std::invalid_argument("sgd: expected an array of tensors");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  for (uint32_t i = 0; i < array.Length(); ++i) tensors.push_back(tensorOf(array.Get(i)));
  return tensors;
}

// The same numbers in the memory layout of `like`.
at::Tensor laidOutLike(const at::Tensor& like, const at::Tensor& tensor) {
  return tensor.strides() == like.strides() ? tensor : at::empty_like(like).copy_(tensor);
}

// sgd(weights, gradients, momenta, lr, momentum, decay, scale, nesterov): float32 on the CPU, of equal shapes. A weight may have changed its memory
// layout since the step before; its momentum follows.
Napi::Value sgd(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::NoGradGuard noGradient;
    auto weights = tensorsOf(info[0]), gradients = tensorsOf(info[1]), momenta = tensorsOf(info[2]);
    if (gradients.size() != weights.size() || momenta.size() != weights.size()) {
      throw std::invalid_argument("sgd: as many gradients and momenta as weights are needed");
    }
    const auto number = [&](int index) { return static_cast<float>(info[index].As<Napi::Number>().DoubleValue()); };
    const Step step = {number(3), number(4), number(5), number(6), info[7].As<Napi::Boolean>().Value()};
    for (size_t i = 0; i < weights.size(); ++i) {
      const at::Tensor& weight = weights[i];
      for (const at::Tensor& tensor : {weight, gradients[i], momenta[i]}) {
        const bool fits = tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
                          weight.is_non_overlapping_and_dense() && tensor.sizes() == weight.sizes();
        if (!fits) throw std::invalid_argument("sgd: " + describe(tensor) + " does not fit " + describe(weight));
      }
      const at::Tensor gradient = laidOutLike(weight, gradients[i]);
      if (momenta[i].strides() != weight.strides()) momenta[i].set_data(laidOutLike(weight, momenta[i]));
      float *w = weight.data_ptr<float>(), *v = momenta[i].data_ptr<float>();
      const float* g = gradient.data_ptr<float>();
      at::parallel_for(0, weight.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
        update(w + begin, g + begin, v + begin, end - begin, step);
      });
    }
    return info.Env().Undefined();
  });
}

}  // namespace

void exportSgd(Napi::Env env, Napi::Object exports) { exports.Set("sgd", Napi::Function::New(env, sgd)); }

}  // namespace knack
