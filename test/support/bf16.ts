import { convolutionFault } from "../../src/nn/precision.js";

/** Whether this libtorch computes in bf16 on this processor: oneDNN 2 does from AVX-512 on. */
export const hasBf16 = convolutionFault("bf16", "cpu") === undefined;

/** For tests of what bf16 computes. */
export const whereBf16 = { skip: !hasBf16 && "there is no bf16 convolution on this processor" };

/** For tests of something else that is to hold in 16 bit too, where there is any. */
export const LOW_PRECISION = hasBf16 ? "bf16" : "fp32";
