import { hasBfloat16 } from "../../src/tensor/ops.js";

/** For tests of the fast engine's bf16, which it has where oneDNN has: from AVX-512 on. */
export const whereBf16 = { skip: !hasBfloat16() && "oneDNN has no bf16 for this processor" };
