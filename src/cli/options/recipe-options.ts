import type { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { parseRecipe, type Recipe } from "../../recipe/recipe.js";
import { type ModelOptionValues, modelOption } from "./model-option.js";

/** A number, or the text that was given in its place, for the recipe's own check to complain about. */
type Numeric = number | string;

/** The options that `addRecipeOptions` adds, as commander returns them; those not given are undefined. */
export interface RecipeOptions {
  model?: string;
  option?: ModelOptionValues;
  epochs?: Numeric;
  batchSize?: Numeric;
  accumulation?: Numeric;
  lr?: Numeric;
  momentum?: Numeric;
  weightDecay?: Numeric;
  precision?: string;
  lossScale?: Numeric;
  seed?: Numeric;
  linearScaling?: boolean;
  warmup?: Numeric | false;
  zeroGamma?: boolean;
  /** commander reads `--no-bias-decay` as the negation of `--bias-decay`: false is the trick. */
  biasDecay?: boolean;
  cosine?: boolean;
  stepDecay?: Numeric[] | true;
  labelSmoothing?: Numeric | false;
  smoothingSpread?: string;
  distillation?: boolean;
  teacher?: string;
  temperature?: Numeric;
  distillationLoss?: string;
  mixup?: Numeric | false;
  mixupPairing?: string;
  ema?: Numeric | false;
  imageSize?: Numeric;
  crop?: Numeric;
  flip?: boolean;
  scale?: Numeric[];
  ratio?: Numeric[];
  jitter?: Numeric;
  lighting?: Numeric;
  mean?: Numeric[];
  std?: Numeric[];
  onBadImage?: string;
  init?: string;
  freezeEpochs?: Numeric;
  backboneLr?: Numeric;
  classBalance?: string;
  earlyStop?: Numeric | false;
}

/**
 * Adds the options that change a recipe: its values, and a switch for every trick.
 * Of a pair the positive form goes first, else commander takes it for the default.
 */
export function addRecipeOptions(command: Command): Command {
  return command
    .optionsGroup("Model and training:")
    .option("--model <name>", "the network, such as resnet50d")
    .option("--option <key=value>", "an option of the model, such as width=32; may be repeated", modelOption)
    .option("--epochs <count>", "passes over the training images", numeric)
    .option("--batch-size <images>", "images per optimizer step, over everything", numeric)
    .option("--accumulation <parts>", "compute each step in so many parts", numeric)
    .option("--lr <rate>", "initial learning rate; with linear scaling, that of 256 images a step", numeric)
    .option("--momentum <value>", "momentum of Nesterov SGD", numeric)
    .option("--weight-decay <value>", "weight decay", numeric)
    .option("--precision <type>", "fp32, bf16 or fp16 (GPU only)")
    .option("--loss-scale <scale>", "none, dynamic or a number", numeric)
    .option("--seed <number>", "everything random follows from it", numeric)
    .optionsGroup("Tricks:")
    .option("--linear-scaling", "scale the learning rate with the batch size")
    .option("--no-linear-scaling", "use the learning rate as it is")
    .option("--warmup <epochs>", "let the learning rate grow over the first epochs", numeric)
    .option("--no-warmup", "start with the full learning rate")
    .option("--zero-gamma", "start the last batch norm of every residual block with gamma 0")
    .option("--no-zero-gamma", "start all batch norms with gamma 1")
    .option("--bias-decay", "weight decay on all parameters")
    .option("--no-bias-decay", "no weight decay on biases and batch norms (the trick)")
    .option("--cosine", "cosine decay of the learning rate")
    .option("--no-cosine", "step decay instead, as --step-decay")
    .option("--step-decay [epochs]", "divide the learning rate by 10 at these epochs, such as 30,60,90", list)
    .option("--label-smoothing <epsilon>", "share of the target that other classes get, such as 0.1", numeric)
    .option("--no-label-smoothing", "train on the labels as they are")
    .option("--smoothing-spread <classes>", "over the others (the paper) or over all (libraries)")
    .option("--distillation", "learn from a teacher too")
    .option("--no-distillation", "learn from the labels only")
    .option("--teacher <checkpoint>", "the teacher; switches distillation on")
    .option("--temperature <T>", "softens the teacher's and the student's outputs", numeric)
    .option("--distillation-loss <loss>", "cross-entropy (the paper) or kl (timm)")
    .option("--mixup <alpha>", "train on blends of two images, lambda from Beta(alpha, alpha)", numeric)
    .option("--no-mixup", "train on single images")
    .option("--mixup-pairing <pairing>", "permute, reverse or roll the batch to find the other images")
    .option("--ema <decay>", "average the weights over the steps, and evaluate the average", numeric)
    .option("--no-ema", "evaluate the weights as they are")
    .optionsGroup("Transfer learning:")
    .option("--init <weights>", "start from a checkpoint or a file of weights; another head where the classes differ")
    .option("--freeze-epochs <count>", "epochs in which only the head learns", numeric)
    .option("--backbone-lr <factor>", "what the learning rate of all but the head is multiplied by", numeric)
    .option("--class-balance <how>", "for unequal classes: none, weights (of the loss) or sampling")
    .option("--early-stop <epochs>", "end after so many epochs without a better top-1, with the best weights", numeric)
    .option("--no-early-stop", "train all epochs")
    .optionsGroup("Pictures and augmentation:")
    .option("--image-size <pixels>", "height and width photographs are brought to (default: the model's)", numeric)
    .option("--mean <values>", "mean of each channel on the scale 0..1, such as 0.485,0.456,0.406", list)
    .option("--std <values>", "standard deviation of each channel on the scale 0..1", list)
    .option("--on-bad-image <policy>", "skip photographs that cannot be read, or fail")
    .option("--scale <min,max>", "photographs: share of the picture that a random crop takes", list)
    .option("--ratio <min,max>", "photographs: width / height of a random crop", list)
    .option("--jitter <amount>", "photographs: hue, saturation and brightness by 1 - amount to 1 + amount", numeric)
    .option("--lighting <sigma>", "photographs: PCA noise", numeric)
    .option("--crop <pixels>", "small images: padding before a random crop, 0 for none", numeric)
    .option("--flip", "flip images at random")
    .option("--no-flip", "never flip images");
}

/**
 * The recipe with the options in place of its own values.
 *
 * @throws InputError naming the option whose value is wrong, or that would have no effect
 */
export function recipeFromOptions(recipe: Recipe, options: RecipeOptions): Recipe {
  const { labelSmoothing, smoothingSpread, distillation, teacher, temperature, distillationLoss, mixup, mixupPairing } =
    options;
  // A teacher is of use for one thing only, so it need not be said twice.
  const distils = distillation ?? (teacher !== undefined || recipe.distillation !== false);
  refuseIdle(distils, "--distillation", { teacher, temperature, "distillation-loss": distillationLoss });
  refuseIdle((labelSmoothing ?? recipe.labelSmoothing) !== false, "--label-smoothing", {
    "smoothing-spread": smoothingSpread,
  });
  refuseIdle((mixup ?? recipe.mixup) !== false, "--mixup", { "mixup-pairing": mixupPairing });

  const changes = given({
    model: options.model,
    modelOptions: options.option,
    epochs: options.epochs,
    batchSize: options.batchSize,
    accumulation: options.accumulation,
    lr: options.lr,
    momentum: options.momentum,
    weightDecay: options.weightDecay,
    precision: options.precision,
    lossScale: options.lossScale,
    seed: options.seed,
    zeroGamma: options.zeroGamma,
    noBiasDecay: options.biasDecay === undefined ? undefined : !options.biasDecay,
    schedule: scheduleFromOptions(options),
    linearScaling: trick(options.linearScaling, {}),
    warmup: trick(options.warmup, { epochs: options.warmup }),
    labelSmoothing: trick(labelSmoothing, { epsilon: labelSmoothing, spread: smoothingSpread }),
    distillation: trick(distillation, { teacher, temperature, loss: distillationLoss }),
    mixup: trick(mixup, { alpha: mixup, pairing: mixupPairing }),
    ema: trick(options.ema, { decay: options.ema }),
    earlyStop: trick(options.earlyStop, { patience: options.earlyStop }),
    imageSize: options.imageSize,
    normalize: trick(undefined, { mean: options.mean, std: options.std }),
    onBadImage: options.onBadImage,
    init: trick(undefined, { weights: options.init }),
    freezeEpochs: options.freezeEpochs,
    backboneLr: options.backboneLr,
    classBalance: options.classBalance,
    augmentation: given({
      crop: options.crop,
      flip: options.flip,
      scale: options.scale,
      ratio: options.ratio,
      jitter: options.jitter,
      lighting: options.lighting,
    }),
  });
  return parseRecipe(changes, "command line", recipe, optionOf);
}

function scheduleFromOptions({ cosine, stepDecay }: RecipeOptions): object | undefined {
  if (cosine && stepDecay) throw new InputError("--cosine and --step-decay: a run has one of the two; drop the other");
  if (cosine) return { type: "cosine" };
  if (stepDecay === undefined && cosine === undefined) return undefined;
  return { type: "step", ...given({ milestones: Array.isArray(stepDecay) ? stepDecay : undefined }) };
}

/** What the options change of a trick: false switches it off, an empty object takes its settings as they are. */
function trick(option: Numeric | boolean | undefined, settings: Record<string, unknown>): object | false | undefined {
  if (option === false) return false;
  const changes = given(settings);
  return option !== undefined || Object.keys(changes).length > 0 ? changes : undefined;
}

function refuseIdle(isOn: boolean, trickOption: string, settings: Record<string, unknown>): void {
  const [idle] = Object.keys(given(settings));
  if (!isOn && idle !== undefined) {
    throw new InputError(`--${idle}: has no effect with ${trickOption} off; switch it on or drop --${idle}`);
  }
}

const optionsOfKeys: Readonly<Record<string, string>> = {
  "schedule.milestones": "--step-decay",
  "labelSmoothing.spread": "--smoothing-spread",
  "distillation.teacher": "--teacher",
  "distillation.temperature": "--temperature",
  "distillation.loss": "--distillation-loss",
  "mixup.pairing": "--mixup-pairing",
  "augmentation.crop": "--crop",
  "augmentation.scale": "--scale",
  "augmentation.ratio": "--ratio",
  "augmentation.jitter": "--jitter",
  "augmentation.lighting": "--lighting",
  "normalize.mean": "--mean",
  "normalize.std": "--std",
};

/** The option that sets a key of the recipe, such as `mixup.alpha`. */
function optionOf(key: string): string {
  const [first = "", second] = key.split(".");
  if (first === "modelOptions") return second === undefined ? "--option" : `--option ${second}`;
  return optionsOfKeys[`${first}.${second}`] ?? `--${dashed(first)}`;
}

/** "labelSmoothing" -> "label-smoothing" */
export function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function numeric(text: string): Numeric {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}

function list(text: string): Numeric[] {
  return text.split(",").map(numeric);
}
