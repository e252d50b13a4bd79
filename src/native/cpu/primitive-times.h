// How long oneDNN's primitives take, for the choice between algorithms and for the limit that bench/ compares with. All times are the fastest of
// some executions, after one that is not counted: what else the machine does can only slow them.
#pragma once

#include "program.h"

namespace knack::cpu {

double fastestSeconds(const dnnl::primitive&, const Arguments&, dnnl::stream&, int repeats);

// As TypeScript numbers them.
enum class Algorithm { Direct = 0, Winograd = 1 };
Algorithm algorithmOf(int64_t number);

// A convolution's pass by an algorithm, or a negative number where oneDNN has none. pass: 0 forward, 1 backward data, 2 weights.
double timeConvolution(const std::array<int64_t, 4>& images, int64_t outChannels, const Geometry&, bool bfloat16,
                       Algorithm, int pass, int repeats);
// A batch norm with ReLU, forward and backward in training, and an addition of two activations, both oneDNN's own.
double timeBatchNorm(const std::array<int64_t, 4>& shape, bool bfloat16, int repeats);
double timeAddition(const std::array<int64_t, 4>& shape, bool bfloat16, int repeats);

}  // namespace knack::cpu
