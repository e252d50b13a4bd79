#include "weight-blocks.h"

#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "instruction-sets.h"

namespace knack::cpu {

namespace {

template <int B>
struct Vector;
template <>
struct Vector<16> {
  using Row = float __attribute__((vector_size(64)));
  using Order = int32_t __attribute__((vector_size(64)));
};
template <>
struct Vector<8> {
  using Row = float __attribute__((vector_size(32)));
  using Order = int32_t __attribute__((vector_size(32)));
};

// Swaps pieces of `Size` columns between rows that are `Size` apart, then smaller ones: with B / 2 to begin with, that transposes B x B.
template <int B, int Size>
KNACK_INLINE void swapPieces(typename Vector<B>::Row (&rows)[B]) {
  typename Vector<B>::Order low, high;
  for (int i = 0; i < B; ++i) {
    const bool second = (i / Size) % 2 == 1;
    low[i] = second ? B + i - Size : i;
    high[i] = second ? B + i : i + Size;
  }
  for (int i = 0; i < B; ++i) {
    if ((i / Size) % 2 == 1) continue;
    const auto a = rows[i], b = rows[i + Size];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + Size] = __builtin_shuffle(a, b, high);
  }
  if constexpr (Size > 1) swapPieces<B, Size / 2>(rows);
}

template <int B, bool Add>
KNACK_INLINE void transpose(const float* block, float* to, size_t stride) {
  typename Vector<B>::Row rows[B];
  for (int i = 0; i < B; ++i) std::memcpy(&rows[i], block + B * i, sizeof rows[i]);
  swapPieces<B, B / 2>(rows);
  for (int i = 0; i < B; ++i) {
    float* place = to + i * stride;
    if (Add) {
      typename Vector<B>::Row held;
      std::memcpy(&held, place, sizeof held);
      rows[i] += held;
    }
    std::memcpy(place, &rows[i], sizeof rows[i]);
  }
}

template <int B>
KNACK_INLINE void rowsLoop(const float* blocks, float* rows, size_t inputs, bool add) {
  for (size_t i = 0; i < inputs; i += B) {
    if (add) transpose<B, true>(blocks + B * i, rows + i, inputs);
    else transpose<B, false>(blocks + B * i, rows + i, inputs);
  }
}

KNACK_FOR_BLOCKS_OF_16 void unblockRows16(const float* blocks, float* rows, size_t inputs, bool add) {
  rowsLoop<16>(blocks, rows, inputs, add);
}
KNACK_FOR_BLOCKS_OF_8 void unblockRows8(const float* blocks, float* rows, size_t inputs, bool add) {
  rowsLoop<8>(blocks, rows, inputs, add);
}

}  // namespace

void unblock(const float* blocks, float* rows, size_t outputs, size_t inputs, bool add) {
#pragma omp parallel for schedule(static)
  for (size_t o = 0; o < outputs; o += kBlock) {
    (kBlock == 16 ? unblockRows16 : unblockRows8)(blocks + o * inputs, rows + o * inputs, inputs, add);
  }
}

}  // namespace knack::cpu
