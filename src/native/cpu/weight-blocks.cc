#include "weight-blocks.h"

#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "instruction-sets.h"

namespace knack::cpu {

namespace {

static_assert(kBlock == 16);
using Row = float __attribute__((vector_size(64)));
using Order = int32_t __attribute__((vector_size(64)));

KNACK_INLINE void load(Row& row, const float* from) { std::memcpy(&row, from, sizeof row); }
KNACK_INLINE void store(const Row& row, float* to) { std::memcpy(to, &row, sizeof row); }

// Swaps pieces of `Size` columns between rows that are `Size` apart: for 8, 4, 2 and 1 in turn that transposes 16 x 16.
template <int Size>
KNACK_INLINE void swapPieces(Row (&rows)[16]) {
  Order low, high;
  for (int i = 0; i < 16; ++i) {
    const bool second = (i / Size) % 2 == 1;
    low[i] = second ? 16 + i - Size : i;
    high[i] = second ? 16 + i : i + Size;
  }
  for (int i = 0; i < 16; ++i) {
    if ((i / Size) % 2 == 1) continue;
    const Row a = rows[i], b = rows[i + Size];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + Size] = __builtin_shuffle(a, b, high);
  }
}

template <bool Add>
KNACK_INLINE void transpose(const float* block, float* to, size_t stride) {
  Row rows[16];
  for (int i = 0; i < 16; ++i) load(rows[i], block + 16 * i);
  swapPieces<8>(rows);
  swapPieces<4>(rows);
  swapPieces<2>(rows);
  swapPieces<1>(rows);
  for (int i = 0; i < 16; ++i) {
    float* place = to + i * stride;
    if (Add) {
      Row held;
      load(held, place);
      rows[i] += held;
    }
    store(rows[i], place);
  }
}

KNACK_WIDEST void unblockRows(const float* blocks, float* rows, size_t inputs, bool add) {
  for (size_t i = 0; i < inputs; i += 16) {
    if (add) transpose<true>(blocks + 16 * i, rows + i, inputs);
    else transpose<false>(blocks + 16 * i, rows + i, inputs);
  }
}

}  // namespace

void unblock(const float* blocks, float* rows, size_t outputs, size_t inputs, bool add) {
#pragma omp parallel for schedule(static)
  for (size_t o = 0; o < outputs; o += 16) unblockRows(blocks + o * inputs, rows + o * inputs, inputs, add);
}

}  // namespace knack::cpu
