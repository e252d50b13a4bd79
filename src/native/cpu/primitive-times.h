// How long oneDNN's primitives take, for the choice between algorithms and for the limit that bench/ compares with. All times are the fastest of
// some executions, after one that is not counted: what else the machine does can only slow them.
#pragma once

#include <algorithm>
#include <chrono>

#include "program.h"

namespace knack::cpu {

template <typename Body>
double fastestSeconds(Body body, int repeats) {
  double fastest = INFINITY;
  for (int i = -1; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i >= 0) fastest = std::min(fastest, seconds);
  }
  return fastest;
}

double fastestSeconds(const dnnl::primitive&, const Arguments&, dnnl::stream&, int repeats);

// A batch norm with ReLU, forward and backward in training, and an addition of two activations, both oneDNN's own.
double timeBatchNorm(const std::array<int64_t, 4>& shape, bool bfloat16, bool channelsLast, int repeats);
double timeAddition(const std::array<int64_t, 4>& shape, bool bfloat16, bool channelsLast, int repeats);

}  // namespace knack::cpu
