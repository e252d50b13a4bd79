// Winograd's algorithm with AVX2. What others share is included before the vectors become the processor's own, which they must before they are inlined.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "winograd.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#endif
#define KNACK_LANES 8
#include "winograd-loops.h"
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

namespace knack::cpu {

std::unique_ptr<Winograd> winogradOver8(const WinogradShape& shape) { return std::make_unique<Loops>(shape); }

}  // namespace knack::cpu
