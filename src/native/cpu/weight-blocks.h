// Weights of 1x1 convolutions, float32, out of oneDNN's blocks of 16 x 16: its own reorder, which knows any layout, is up to seven times as slow.
#pragma once

#include <cstddef>

namespace knack::cpu {

// `blocks` [outputs / 16][inputs / 16][16 inputs][16 outputs] -> `rows` [outputs][inputs]. Both sizes are multiples of 16.
// @param add whether it is added to what the rows hold
void unblock(const float* blocks, float* rows, size_t outputs, size_t inputs, bool add);

}  // namespace knack::cpu
