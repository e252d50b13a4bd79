// How the engine's own loops are compiled: once for each width of a block of channels, with the instructions that go with it.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define KNACK_FOR_BLOCKS_OF_16 __attribute__((target("arch=x86-64-v4")))
#define KNACK_FOR_BLOCKS_OF_8 __attribute__((target("arch=x86-64-v3")))
#else
#define KNACK_FOR_BLOCKS_OF_16
#define KNACK_FOR_BLOCKS_OF_8
#endif
// Before a loop whose iterations touch different elements: where arrays might overlap the compiler would check that at every entry, and keep
// sums in memory.
#if defined(__GNUC__) && !defined(__clang__)
#define KNACK_INDEPENDENT _Pragma("GCC ivdep")
#else
#define KNACK_INDEPENDENT
#endif
#define KNACK_INLINE static inline __attribute__((always_inline))
