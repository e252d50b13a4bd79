// The processor as oneDNN takes it, and the layouts of images that go with it. DNNL_MAX_CPU_ISA makes it take any for a lesser one.
#pragma once

#include "onednn.h"

#include <string>

namespace knack::cpu {

// Channels that lie side by side: as many floats as a register holds, 16 with AVX-512 and 8 with AVX2, for which oneDNN's fast convolutions are
// written. Kernels work on so many, whichever layout images have.
extern const int kBlock;
constexpr int kWidestBlock = 16;

// [N][C / kBlock][H][W][kBlock], or channels-last, [N][H][W][C].
dnnl::memory::format_tag imagesTag(bool channelsLast);

// Whether this processor has one of the two.
bool hasFastLayout();

// Whether products of uint8 with int8 are added in 32 bits. Without such instructions two of them are in 16, which 255 x 127 twice does not fit.
bool addsBytesExactly();

// oneDNN's name of the best instructions it takes here: "avx512_core_bf16", "avx2", "sse41", …
std::string instructionSet();

// "2.6.3"
std::string libraryVersion();

}  // namespace knack::cpu
