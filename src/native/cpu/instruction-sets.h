// How the engine's own loops are compiled: in several forms, of which the addon chooses the processor's when it loads.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define KNACK_WIDEST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KNACK_WIDEST
#endif
// Before a loop whose iterations touch different elements: where arrays might overlap the compiler would check that at every entry, and keep
// sums in memory.
#if defined(__GNUC__) && !defined(__clang__)
#define KNACK_INDEPENDENT _Pragma("GCC ivdep")
#else
#define KNACK_INDEPENDENT
#endif
#define KNACK_INLINE static inline __attribute__((always_inline))
