// The optimizer's update in one reading of its tensors: operator by operator it would read and write them five times.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

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

// Brings a tensor into the memory layout of `like` without leaving the memory it has.
void layOutLike(const at::Tensor& like, at::Tensor& tensor) {
  if (tensor.strides() == like.strides()) return;
  const at::Tensor before = tensor.clone();
  tensor.set_data(at::as_strided(tensor, tensor.sizes(), like.strides(), tensor.storage_offset()).copy_(before));
}

// A stretch of a weight, its gradient and its momentum that one thread updates.
struct Piece {
  float* weight;
  const float* gradient;
  float* momentum;
  int64_t count;
};
constexpr int64_t kPiece = 1 << 15;

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
    std::vector<Piece> pieces;
    for (size_t i = 0; i < weights.size(); ++i) {
      const at::Tensor& weight = weights[i];
      for (const at::Tensor& tensor : {weight, gradients[i], momenta[i]}) {
        const bool fits = tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
                          weight.is_non_overlapping_and_dense() && tensor.sizes() == weight.sizes();
        if (!fits) throw std::invalid_argument("sgd: " + describe(tensor) + " does not fit " + describe(weight));
      }
      gradients[i] = laidOutLike(weight, gradients[i]);
      layOutLike(weight, momenta[i]);
      float *w = weight.data_ptr<float>(), *v = momenta[i].data_ptr<float>();
      const float* g = gradients[i].data_ptr<float>();
      for (int64_t start = 0; start < weight.numel(); start += kPiece) {
        pieces.push_back({w + start, g + start, v + start, std::min(kPiece, weight.numel() - start)});
      }
    }
    at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) update(pieces[i].weight, pieces[i].gradient, pieces[i].momentum, pieces[i].count, step);
    });
    return info.Env().Undefined();
  });
}

}  // namespace

static const Exports exported([](Napi::Env env, Napi::Object exports) { exports.Set("sgd", Napi::Function::New(env, sgd)); });

}  // namespace knack
