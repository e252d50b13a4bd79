// Weights of 1x1 convolutions, float32, out of oneDNN's blocks of kBlock x kBlock: its own reorder, which knows any layout, is up to seven times as slow.
#pragma once

#include <cstddef>

namespace knack::cpu {

// `blocks` [outputs / kBlock][inputs / kBlock][kBlock inputs][kBlock outputs] -> `rows` [outputs][inputs]. Both sizes are multiples of kBlock.
// @param add whether it is added to what the rows hold
void unblock(const float* blocks, float* rows, size_t outputs, size_t inputs, bool add);

}  // namespace knack::cpu
