import { activation } from "./activation.js";
import { addition } from "./addition.js";
import { batchNorm } from "./batch-norm.js";
import { channelScale } from "./channel-scale.js";
import { concatenation } from "./concatenation.js";
import { convolution } from "./convolution.js";
import { dropout } from "./dropout.js";
import { globalAverage } from "./global-average.js";
import { linear } from "./linear.js";
import { pooling } from "./pooling.js";
import { zeroPadding } from "./zero-padding.js";
import type { LoweringRule } from "./rule.js";

/** What the fast engine has operations for. */
export const RULES: readonly LoweringRule[] = [
  convolution,
  batchNorm,
  zeroPadding,
  pooling,
  globalAverage,
  linear,
  concatenation,
  addition,
  activation,
  channelScale,
  dropout,
];
