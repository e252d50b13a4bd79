#include "weight-shares.h"

#include <algorithm>

namespace knack::cpu {

namespace {

// Where an image begins.
void* from(void* images, const memory::desc& layoutOfShare, const WeightShare& share) {
  return static_cast<char*>(images) + layoutOfShare.get_size() / share.images * share.first;
}

}  // namespace

WeightShares::WeightShares(const std::vector<WeightShare>& shares, const dnnl::engine& engine, void* source, void* gradient,
                           const std::vector<Place>& places) {
  // oneDNN keeps primitives by that number too.
  const MadeFor each(shares.size() == 1 ? omp_get_max_threads() : 1);
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto& description = shares[i].description;
    const memory::desc images = description.src_desc(), results = description.diff_dst_desc();
    primitives_.push_back(BackwardWeights(description));
    streams_.emplace_back(engine);
    gradients_.push_back(static_cast<float*>(places[i].gradient));
    arguments_.push_back({{DNNL_ARG_SRC, memory(images, engine, from(source, images, shares[i]))},
                          {DNNL_ARG_DIFF_DST, memory(results, engine, from(gradient, results, shares[i]))},
                          {DNNL_ARG_DIFF_WEIGHTS, memory(description.diff_weights_desc(), engine, places[i].gradient)},
                          {DNNL_ARG_SCRATCHPAD, memory(description.scratchpad_desc(), engine, places[i].scratchpad)}});
    count_ = description.diff_weights_desc().get_size() / sizeof(float);
  }
}

void WeightShares::execute() {
  const int shares = static_cast<int>(primitives_.size());
  if (shares == 1) return primitives_[0].execute(streams_[0], arguments_[0]);
#pragma omp parallel for schedule(static, 1) num_threads(shares)
  for (int i = 0; i < shares; ++i) primitives_[i].execute(streams_[i], arguments_[i]);
  constexpr size_t kPiece = 1 << 12;
  const int64_t pieces = static_cast<int64_t>((count_ + kPiece - 1) / kPiece);
#pragma omp parallel for schedule(static)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const size_t start = piece * kPiece, size = std::min(kPiece, count_ - start);
    for (int i = 1; i < shares; ++i) addClamped<float>(gradients_[0] + start, gradients_[i] + start, gradients_[0] + start, size, -INFINITY, INFINITY);
  }
}

}  // namespace knack::cpu
