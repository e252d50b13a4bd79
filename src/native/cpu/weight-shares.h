// The gradient of a convolution's weights, which sums over images: by one of oneDNN's primitives that all threads compute together, or by one for each
// thread, which takes some of the images. Together they wait for each other inside of the primitive, spinning: where another program has one of the
// processors, for as long as the kernel leaves it there, at each of many barriers. By themselves they wait once, asleep.
#pragma once

#include <omp.h>

#include <vector>

#include "program.h"

namespace knack::cpu {

using BackwardWeights = dnnl::convolution_backward_weights;

// While it lives, what oneDNN describes and makes is for so many threads.
class MadeFor {
 public:
  explicit MadeFor(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~MadeFor() { omp_set_num_threads(before_); }
  MadeFor(const MadeFor&) = delete;

 private:
  int before_;
};

// Which images a primitive takes.
struct WeightShare {
  BackwardWeights::primitive_desc description;
  int64_t first, images;
};

class WeightShares {
 public:
  // Where a share's gradient and scratchpad lie.
  struct Place {
    void* gradient;
    void* scratchpad;
  };

  WeightShares() = default;
  // @param source and gradient of all images
  // @param places one for each share; the first one's gradient becomes the whole one
  WeightShares(const std::vector<WeightShare>& shares, const dnnl::engine& engine, void* source, void* gradient, const std::vector<Place>& places);

  void execute();

 private:
  std::vector<dnnl::primitive> primitives_;
  std::vector<Arguments> arguments_;
  std::vector<dnnl::stream> streams_;
  std::vector<float*> gradients_;
  size_t count_ = 0;
};

}  // namespace knack::cpu
