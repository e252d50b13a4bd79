/**
 * All tricks. Their order here is the order in which they act at a moment of a run: the rate is scaled, then warmed up, then decayed; labels are
 * smoothed before images are mixed; images are weighted after that.
 */
import { asymmetricLoss } from "./asymmetric-loss.js";
import { backboneLr } from "./backbone-lr.js";
import { classBalance } from "./class-balance.js";
import { cosine } from "./cosine.js";
import { cutmix } from "./cutmix.js";
import { distillation } from "./distillation.js";
import { earlyStop } from "./early-stop.js";
import { ema } from "./ema.js";
import { freezeEpochs } from "./freeze-epochs.js";
import { init } from "./init.js";
import { labelSmoothing } from "./label-smoothing.js";
import { linearScaling } from "./linear-scaling.js";
import { lowPrecision } from "./low-precision.js";
import { mixup } from "./mixup.js";
import { modelTweaks } from "./model-tweaks.js";
import { noBiasDecay } from "./no-bias-decay.js";
import { warmup } from "./warmup.js";
import { zeroGamma } from "./zero-gamma.js";

export const TRICKS = [
  linearScaling,
  warmup,
  zeroGamma,
  noBiasDecay,
  lowPrecision,
  modelTweaks,
  cosine,
  labelSmoothing,
  asymmetricLoss,
  distillation,
  mixup,
  cutmix,
  ema,
  init,
  freezeEpochs,
  backboneLr,
  classBalance,
  earlyStop,
] as const;
