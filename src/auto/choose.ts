import { resolve } from "node:path";
import { atEpochs } from "../recipe/at-epochs.js";
import { metricNamed } from "../metrics/index.js";
import { presets } from "../recipe/presets.js";
import type { Recipe } from "../recipe/recipe.js";
import { type ImageSize, sidesOf, sizeText } from "../settings/image-size.js";
import type { Photographs } from "./look-at-photos.js";
import type { Candidate, Pace } from "./pace.js";
import type { WeightsAtHand } from "./weights-at-hand.js";

/** A recipe, and why it is this one: a line each. */
export interface Choice {
  readonly recipe: Recipe;
  readonly reasons: readonly string[];
  /** Seconds that its training is expected to take. */
  readonly expected: number;
}

/** What a recipe is chosen by. */
export interface Situation {
  readonly photographs: Pick<Photographs, "train" | "validation" | "task" | "imbalance" | "secondsAPicture">;
  readonly weights: WeightsAtHand | undefined;
  /** What was asked for. */
  readonly imageSize: ImageSize | undefined;
  /** What was asked for. */
  readonly epochs: number | undefined;
  /** Seconds that there are for training. */
  readonly budget: number;
  readonly paceOf: (candidate: Candidate) => Pace;
}

/** One way to learn from photographs. */
interface Plan {
  /** In the order in which they are wanted: the next one where the time is too short for enough epochs of it. */
  readonly candidates: readonly Candidate[];
  /** Epochs after which more no longer help, by training pictures. */
  readonly epochs: (train: number) => number;
  readonly recipeOf: (candidate: Candidate) => Recipe;
  readonly what: string;
}

/** The share of the time that is planned with: machines are not always idle. */
const SHARE = 0.8;
/** The share of the epochs wanted for which a smaller network or picture is not taken instead. */
const ENOUGH = 0.5;
/** Of a training step's time what an image takes in an evaluation. */
const EVALUATION = 0.3;
/** Of the largest class's pictures to the smallest's: from there on classes are to count alike. */
const UNEVEN = 3;
/** Below, networks are built in another form, for small images. */
const LEAST_PIXELS = 64;
/** A multiple of it is what networks of five halvings are made for. */
const HALVINGS = 32;

/** Chooses network, size of pictures, precision, epochs and balance by what there is to learn from and the time there is. */
export function chooseRecipe(situation: Situation): Choice {
  const { photographs, weights } = situation;
  const plan = weights ? fineTuning(weights, photographs) : fromNothing(photographs);
  const { candidate, pace, secondsAnEpoch, epochs, wanted } = inTime(plan, situation);
  const { imbalance, task } = photographs;
  const { title } = metricNamed(task.select, task.metrics);
  // Of several labels each class has a threshold of its own, and no picture is of one class alone.
  const isUneven = task.name === "single-label" && imbalance.ratio >= UNEVEN;
  const whole = plan.recipeOf(candidate);
  const recipe = {
    ...atEpochs(whole, epochs),
    freezeEpochs: Math.min(whole.freezeEpochs, Math.floor(epochs / 4)),
    name: "auto",
    precision: pace.precision,
    lossScale: "none" as const,
    ...(isUneven ? { classBalance: "weights" as const, select: "macro-f1" as const } : { select: task.select }),
  };
  const expected = epochs * secondsAnEpoch;
  const steps = Math.floor(photographs.train / candidate.batchSize);
  return {
    recipe,
    expected,
    reasons: [
      `weights: ${plan.what}`,
      `model: ${candidate.model} at ${sizeText(...sidesOf(candidate.imageSize))}, ${candidate.batchSize} images a step`,
      `precision: ${precisionText(pace)}`,
      `epochs: ${epochs} of ${steps} steps, ${situation.epochs !== undefined ? "as asked for" : epochs < wanted ? `as many as fit; ${wanted} would be better` : "as many as help with so many pictures"}`,
      isUneven
        ? `balance: classes count alike, since ${imbalance.largest} has ${imbalance.ratio.toFixed(0)} times the pictures of ${imbalance.smallest}; the best epoch by macro F1`
        : `balance: none, ${task.name === "single-label" ? "the classes are of similar sizes" : "each class has a threshold of its own"}; the best epoch by ${title}`,
    ],
  };
}

/** The first candidate that can be trained for long enough; else the last one, for as long as there is. */
function inTime(
  { candidates: all, epochs }: Plan,
  { photographs, imageSize, epochs: asked, budget, paceOf }: Situation,
) {
  const candidates = imageSize === undefined ? all : all.slice(0, 1).map((candidate) => ({ ...candidate, imageSize }));
  const { train, validation, secondsAPicture } = photographs;
  const wanted = epochs(train);
  for (const [index, candidate] of candidates.entries()) {
    const pace = paceOf(candidate);
    const secondsAnEpoch =
      train * (pace.secondsAnImage + secondsAPicture) +
      validation * (EVALUATION * pace.secondsAnImage + secondsAPicture);
    const fitting = Math.floor((SHARE * budget) / secondsAnEpoch);
    if (asked === undefined && fitting < ENOUGH * wanted && index < candidates.length - 1) continue;
    const own = asked ?? Math.max(1, Math.min(wanted, fitting));
    return { candidate, pace, secondsAnEpoch, wanted, epochs: own };
  }
  throw new Error("a plan has candidates");
}

/** Training pictures below which the head learns first, then all slowly: docs/results.md, "Fine-tuning on fewer photographs". */
const FEW = 400;
const few = { epochs: 24, lr: 0.005, freezeEpochs: 2 } as const;

/** From trained weights: docs/results.md has how each value was found. */
function fineTuning(weights: WeightsAtHand, { train }: Situation["photographs"]): Plan {
  const { path, model, modelOptions, imageSize: own, classes } = weights;
  const sizes = [
    own,
    ...[0.75, 0.5].map((share) => scaled(own, share)).filter((size) => Math.min(...sidesOf(size)) >= LEAST_PIXELS),
  ];
  const batchSize = batchFor(train, 32);
  return {
    what: `${path}${classes === undefined ? "" : `, which tells ${classes} classes apart`}: what it knows needs few pictures`,
    candidates: sizes.map((imageSize) => ({ model, modelOptions, imageSize, batchSize })),
    epochs: (count) => (count < FEW ? few.epochs : within(4, 16, (16 * 600) / count)),
    recipeOf: ({ imageSize }) => ({
      ...presets["fine-tune"],
      ...(train < FEW && few),
      model,
      modelOptions,
      imageSize,
      batchSize,
      // A run remembers it, from whatever folder it goes on.
      init: { weights: resolve(path) },
    }),
  };
}

/** The recipe that docs/results.md has under "From scratch on the same photographs". */
function fromNothing({ train }: Situation["photographs"]): Plan {
  const { schedule, labelSmoothing } = presets["bag-of-tricks"];
  const batchSize = batchFor(train, 64);
  return {
    what: "none at hand, so that it learns from these pictures alone; with some it would need fewer: knack pull, or --init",
    candidates: [128, 96].map((imageSize) => ({
      model: "resnet18d",
      modelOptions: { width: 32 },
      imageSize,
      batchSize,
    })),
    epochs: (count) => within(20, 120, 120 * (600 / count) ** 0.3),
    recipeOf: ({ model, modelOptions, imageSize }) => ({
      ...presets.efficient,
      model,
      modelOptions,
      imageSize,
      batchSize,
      epochs: 120,
      lr: 0.4,
      weightDecay: 5e-4,
      warmup: { epochs: 5 },
      schedule,
      labelSmoothing,
      augmentation: { ...presets.efficient.augmentation, scale: [0.25, 1], jitter: 0.1 },
    }),
  };
}

function scaled(size: ImageSize, share: number): ImageSize {
  const [height, width] = sidesOf(size).map((side) => HALVINGS * Math.round((share * side) / HALVINGS)) as [
    number,
    number,
  ];
  return height === width ? height : [height, width];
}

/** "bf16, at 183 images a second (fp32: 96)" */
function precisionText({ precision, tried }: Pace): string {
  const rate = (value: number) => value.toFixed(value < 10 ? 1 : 0);
  const [own = ""] = tried.filter(([name]) => name === precision).map(([, value]) => rate(value));
  const others = tried.filter(([name]) => name !== precision).map(([name, value]) => `${name}: ${rate(value)}`);
  return `${precision}, at ${own} images a second${others.length > 0 ? ` (${others.join(", ")})` : ""}`;
}

/** At least ten steps an epoch. */
function batchFor(train: number, most: number): number {
  return Math.max(8, Math.min(most, 8 * Math.floor(train / 80)));
}

function within(least: number, most: number, value: number): number {
  return Math.round(Math.min(most, Math.max(least, value)));
}
