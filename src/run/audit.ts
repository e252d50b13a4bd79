import { InputError } from "../base/errors.js";
import { modelEntry } from "../models/registry.js";
import { describePrecision } from "../nn/precision.js";
import { classCounts } from "../tricks/class-balance.js";
import type { AuditEvent, TrickAudit } from "./events.js";
import type { Trainer } from "../training/trainer.js";

/**
 * What each trick of the recipe touched in this run, found by looking at the model, the groups and the schedule rather than
 * at the recipe.
 *
 * @throws InputError where a trick was asked for and changed nothing.
 */
export function audit(trainer: Trainer, run: string): AuditEvent {
  const { recipe, data, schedule, stepsPerEpoch, model } = trainer;
  const tricks = [
    linearScaling(trainer),
    warmup(trainer),
    zeroGamma(trainer),
    noBiasDecay(trainer),
    lowPrecision(trainer),
    modelTweaks(recipe.model),
    decay(trainer),
    labelSmoothing(trainer),
    distillation(trainer),
    mixup(trainer),
    ...(recipe.ema ? [ema(trainer)] : []),
    ...(trainer.initialNotes ? [init(trainer, trainer.initialNotes)] : []),
    ...(recipe.freezeEpochs > 0 ? [freezing(trainer)] : []),
    ...(recipe.backboneLr !== 1 ? [backboneLr(trainer)] : []),
    ...(recipe.classBalance !== "none" ? [classBalance(trainer)] : []),
    ...(recipe.earlyStop ? [earlyStop(recipe.earlyStop.patience, recipe.epochs)] : []),
  ];
  const idle = tricks.find(({ asked, touched }) => asked && touched === 0);
  if (idle) throw new InputError(`${idle.trick} was asked for and changed nothing: ${idle.detail}`);
  return {
    type: "audit",
    run,
    model: recipe.model,
    parameters: [...model.parameters()].reduce((sum, [, parameter]) => sum + parameter.size, 0),
    data: data.description,
    epochs: recipe.epochs,
    stepsPerEpoch,
    batchSize: recipe.batchSize,
    peakLr: schedule.peak,
    precision: recipe.precision,
    engine: trainer.engine,
    tricks,
  };
}

const off = (trick: string, detail = "off"): TrickAudit => ({ trick, asked: false, touched: 0, detail });
const on = (trick: string, touched: number, detail: string): TrickAudit => ({ trick, asked: true, touched, detail });
const digits = (value: number) => Number(value.toPrecision(6)).toString();

function linearScaling({ recipe, schedule }: Trainer): TrickAudit {
  if (!recipe.linearScaling) return off("linear-scaling");
  const { referenceBatch } = recipe.linearScaling;
  const changed = schedule.peak !== recipe.lr;
  const detail = changed
    ? `lr ${digits(recipe.lr)} x ${recipe.batchSize} / ${referenceBatch} = ${digits(schedule.peak)}`
    : `the batch size is the reference batch, ${referenceBatch}: use another --batch-size or --no-linear-scaling`;
  return on("linear-scaling", changed ? schedule.totalSteps : 0, detail);
}

function warmup({ recipe, schedule }: Trainer): TrickAudit {
  if (!recipe.warmup) return off("warmup");
  const { warmupSteps, peak } = schedule;
  const detail =
    warmupSteps > 1
      ? `${warmupSteps} steps (${recipe.warmup.epochs} epochs), lr ${digits(schedule.at(0))} to ${digits(peak)}`
      : "one step already reaches the full lr: use a longer --warmup or --no-warmup";
  return on("warmup", warmupSteps > 1 ? warmupSteps : 0, detail);
}

function zeroGamma({ recipe, zeroedGammas }: Trainer): TrickAudit {
  if (!recipe.zeroGamma) return off("zero-gamma");
  const detail =
    zeroedGammas.length > 0
      ? `${zeroedGammas.length} gammas set to 0: ${zeroedGammas[0]} … ${zeroedGammas.at(-1)}`
      : `${recipe.model} has no residual block: use --no-zero-gamma`;
  return on("zero-gamma", zeroedGammas.length, detail);
}

function noBiasDecay({ recipe, decayGroups }: Trainer): TrickAudit {
  const [decayed, undecayed] = [decayGroups.decayed.size, decayGroups.undecayed.size];
  if (!recipe.noBiasDecay) return off("no-bias-decay", `off: weight decay ${recipe.weightDecay} on all ${decayed}`);
  if (recipe.weightDecay === 0) {
    return on("no-bias-decay", 0, "the weight decay is 0: give a --weight-decay or use --bias-decay");
  }
  const detail = `weight decay ${recipe.weightDecay} on ${decayed} weights, none on ${undecayed} biases, gammas and betas`;
  return on("no-bias-decay", undecayed, detail);
}

function lowPrecision({ recipe, model, masters, scaler }: Trainer): TrickAudit {
  const scale = scaler.active ? `, loss scale ${recipe.lossScale}` : "";
  if (recipe.precision === "fp32") return off("low-precision", `off: fp32 throughout${scale}`);
  return on(
    "low-precision",
    masters.size,
    `${describePrecision(model).join(", ")}; ${masters.size} fp32 masters${scale}`,
  );
}

/** The stem and shortcut forms (section 4). */
function modelTweaks(model: string): TrickAudit {
  const { tweaks } = modelEntry(model);
  if (!tweaks) return off("model-tweaks", "the tweaks are of the ImageNet ResNets, which this model is not");
  return tweaks.changed ? on("model-tweaks", 1, tweaks.detail) : off("model-tweaks", tweaks.detail);
}

function decay({ recipe, schedule }: Trainer): TrickAudit {
  const { totalSteps, warmupSteps } = schedule;
  const last = digits(schedule.at(totalSteps - 1));
  if (recipe.schedule.type === "cosine") {
    const steps = totalSteps - warmupSteps;
    return on("cosine", steps - 1, `over ${steps} steps, lr ${digits(schedule.peak)} to ${last} at the last`);
  }
  const reached = schedule.milestones.filter((step) => step < totalSteps);
  const epochs = recipe.schedule.milestones.slice(0, reached.length).join(", ");
  const detail = reached.length > 0 ? `x ${recipe.schedule.factor} at epoch ${epochs}` : "no milestone within the run";
  return off("cosine", `off: step decay, ${detail}, lr ${last} at the last step`);
}

function labelSmoothing({ recipe, data }: Trainer): TrickAudit {
  if (!recipe.labelSmoothing) return off("label-smoothing");
  const { epsilon, spread } = recipe.labelSmoothing;
  if (epsilon === 0) return on("label-smoothing", 0, "epsilon is 0: give a --label-smoothing above 0");
  const classes = data.train.classes.length;
  const share = spread === "others" ? epsilon / (classes - 1) : epsilon / classes;
  const true_ = spread === "others" ? 1 - epsilon : 1 - epsilon + share;
  return on("label-smoothing", classes, `targets ${digits(true_)} for the true class, ${digits(share)} for each other`);
}

function distillation({ recipe, teacher }: Trainer): TrickAudit {
  if (!recipe.distillation || !teacher) return off("distillation");
  const { temperature, loss, hardWeight, softWeight } = recipe.distillation;
  const weights = `${hardWeight} x loss + ${softWeight} x T^2 ${loss}`;
  return on("distillation", 1, `from ${teacher.architecture}, T = ${temperature}, ${weights}`);
}

function mixup({ recipe }: Trainer): TrickAudit {
  if (!recipe.mixup) return off("mixup");
  const { alpha, pairing } = recipe.mixup;
  if (recipe.accumulation === recipe.batchSize) {
    return on("mixup", 0, "every part holds one image, which has no partner: use a smaller --accumulation");
  }
  const detail = `every image, lambda ~ Beta(${alpha}, ${alpha}) a batch, partner by ${pairing}`;
  return on("mixup", recipe.batchSize, detail);
}

function ema({ recipe, model }: Trainer): TrickAudit {
  const decayText = recipe.ema ? recipe.ema.decay : 0;
  return on("ema", [...model.state()].length, `evaluated and saved weights are averages, decay ${decayText}`);
}

function init({ recipe, model }: Trainer, notes: readonly string[]): TrickAudit {
  return on(
    "init",
    [...model.state()].length,
    [`weights from ${recipe.init ? recipe.init.weights : ""}`, ...notes].join("; "),
  );
}

function freezing({ recipe, parts }: Trainer): TrickAudit {
  const detail = `${parts.backbone.size} parameters and all BN statistics stay as they are for ${recipe.freezeEpochs} epochs; the head's ${parts.head.size} learn`;
  return on("freeze-epochs", parts.backbone.size, detail);
}

function backboneLr({ recipe, parts }: Trainer): TrickAudit {
  const detail = `lr x ${recipe.backboneLr} for ${parts.backbone.size} parameters, all but the head's ${parts.head.size}`;
  return on("backbone-lr", parts.backbone.size, detail);
}

function classBalance({ recipe, data }: Trainer): TrickAudit {
  const { labels, classes } = data.train;
  const counts = classCounts(labels, classes.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (least === most) {
    return on("class-balance", 0, `every class has ${least} images: drop --class-balance`);
  }
  const how = recipe.classBalance === "weights" ? "weighted in the loss" : "drawn equally often";
  return on("class-balance", classes.length, `classes of ${least} to ${most} images ${how}`);
}

function earlyStop(patience: number, epochs: number): TrickAudit {
  const reachable = patience < epochs;
  const detail = reachable
    ? `after ${patience} epochs without a better top-1; the best weights are kept`
    : `${patience} epochs without a better top-1 cannot happen in ${epochs} epochs: give a smaller --early-stop`;
  return on("early-stop", reachable ? epochs - patience : 0, detail);
}
