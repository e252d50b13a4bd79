import { existsSync } from "node:fs";
import { z } from "zod";
import { didYouMean } from "../base/did-you-mean.js";
import { InputError } from "../base/errors.js";
import { augmentationSchema } from "../data/augment/index.js";
import { isPresetName, type PresetName, paperSettings, paperStepDecay, presets } from "./presets.js";

/** A single value, described by the words that complete "must be ...". */
function value<T>(words: string, test: (value: unknown) => boolean) {
  return z.custom<T>(test, { error: (issue) => `must be ${words}, not ${show(issue.input)}` });
}

function number(words: string, test: (value: number) => boolean) {
  return value<number>(words, (value) => typeof value === "number" && Number.isFinite(value) && test(value));
}

function choice<const T extends string>(...allowed: T[]) {
  return value<T>(listed(allowed), (value) => allowed.some((each) => each === value));
}

/** An object with these keys and no others. */
function section<Shape extends z.ZodRawShape>(shape: Shape, words = `an object with ${Object.keys(shape).join(", ")}`) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? unknownKeys(issue.keys ?? [], Object.keys(shape))
        : `must be ${words}, not ${show(issue.input)}`,
  });
}

/** A trick with settings: `false` switches it off. */
function trick<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.union([z.literal(false), section(shape, `false or an object with ${Object.keys(shape).join(", ")}`)]);
}

const flag = value<boolean>("true or false", (value) => typeof value === "boolean");
const text = value<string>("a name", (value) => typeof value === "string" && value !== "");
const aboveZero = number("a number above 0", (value) => value > 0);
const atLeastZero = number("0 or a number above it", (value) => value >= 0);
const fraction = number("a number from 0 up to, but not including, 1", (value) => value >= 0 && value < 1);
const count = number("a whole number above 0", (value) => Number.isSafeInteger(value) && value > 0);
const countOrZero = number("0 or a whole number above it", (value) => Number.isSafeInteger(value) && value >= 0);

/** The learning rate after the warmup: the paper's baseline, or cosine decay. `milestones` are epochs of the run. */
const schedule = z.discriminatedUnion(
  "type",
  [
    section({
      type: z.literal("step"),
      milestones: z.array(aboveZero, { error: (issue) => `must be a list of epochs, not ${show(issue.input)}` }),
      factor: number("a number between 0 and 1, which the lr is multiplied by", (value) => value > 0 && value < 1),
    }),
    section({ type: z.literal("cosine") }),
  ],
  {
    error: ({ input }) =>
      isObject(input)
        ? `must be step or cosine, not ${show(input.type)}`
        : `must be an object with type step or cosine, not ${show(input)}`,
  },
);

function isPixels(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 8 && value <= 4096;
}

function perChannel(test: (value: number) => boolean) {
  return value<number[]>(
    "a list of numbers, one per channel",
    (value) => Array.isArray(value) && value.length > 0 && value.every((each) => Number.isFinite(each) && test(each)),
  );
}

/** Which options there are, and their values, is the model's to say. */
const modelOptions = z.record(
  z.string(),
  value<number | string | boolean>("a number, a text, true or false", (value) =>
    ["number", "string", "boolean"].includes(typeof value),
  ),
  { error: (issue) => `must be an object of the model's options, not ${show(issue.input)}` },
);

const recipeSchema = section({
  name: text,
  model: text,
  modelOptions,
  epochs: count,
  batchSize: count,
  accumulation: count,
  lr: aboveZero,
  momentum: fraction,
  nesterov: flag,
  weightDecay: atLeastZero,
  schedule,
  linearScaling: trick({ referenceBatch: count }),
  warmup: trick({ epochs: aboveZero }),
  zeroGamma: flag,
  noBiasDecay: flag,
  precision: choice("fp32", "bf16", "fp16"),
  lossScale: value<"none" | "dynamic" | number>(
    "none, dynamic or a number above 0",
    (value) => value === "none" || value === "dynamic" || (Number.isFinite(value) && Number(value) > 0),
  ),
  labelSmoothing: trick({ epsilon: fraction, spread: choice("others", "all") }),
  distillation: trick({
    teacher: z.union([z.null(), value<string>("a checkpoint's path or null", (value) => typeof value === "string")]),
    temperature: aboveZero,
    loss: choice("cross-entropy", "kl"),
    hardWeight: atLeastZero,
    softWeight: aboveZero,
  }),
  mixup: trick({ alpha: aboveZero, pairing: choice("permute", "reverse", "roll") }),
  ema: trick({ decay: number("a number between 0 and 1", (value) => value > 0 && value < 1) }),
  imageSize: z.union([z.null(), number("null or a whole number of pixels, at least 8", isPixels)]),
  normalize: z.union([z.null(), section({ mean: perChannel(() => true), std: perChannel((value) => value > 0) })]),
  augmentation: augmentationSchema,
  onBadImage: choice("skip", "fail"),
  classBalance: choice("none", "weights", "sampling"),
  init: trick({ weights: z.union([z.null(), text]) }),
  freezeEpochs: countOrZero,
  backboneLr: aboveZero,
  earlyStop: trick({ patience: count }),
  seed: countOrZero,
});

/**
 * Everything that decides how a run goes, apart from the data. Plain JSON.
 *
 * - `model`, `modelOptions`: a name of the model registry, and its options
 * - `batchSize`: images per optimizer step over everything; `accumulation`: in how many parts a step is computed
 * - `lr`: the initial rate, at `referenceBatch` images a step if `linearScaling` is on, otherwise used as it is
 * - `warmup.epochs`, `schedule.milestones`: epochs, fractions allowed
 * - `labelSmoothing.spread`: epsilon over the "others" (the paper, `eps / (K-1)`) or over "all" classes (libraries, `eps / K`)
 * - `distillation`: `hardWeight * l(p, z) + softWeight * T^2 * l(r / T, z / T)`; `teacher` is a checkpoint's path
 * - `mixup.pairing`: a random permutation, the batch reversed (gluon-cv, timm), or rolled by one (torchvision)
 * - `imageSize`: height and width that photographs are brought to; null is the model's own. Small images in memory keep theirs
 * - `normalize`: null is that of the weights in `init`, or of the data: ImageNet's for photographs, measured for images in memory
 * - `augmentation.crop`: small images: pixels of padding before the random crop, 0 for none; `scale`, `ratio`, `jitter`, `lighting`: photographs
 * - `onBadImage`: what happens when a photograph cannot be read
 * - `classBalance`: for unequal classes: their losses weighted, or their images drawn equally often
 * - `init.weights`: what to start from, a checkpoint or a file of weights; its head is replaced where the classes differ
 * - `freezeEpochs`: epochs in which only the head learns; `backboneLr`: what the lr of all but the head is multiplied by
 * - `earlyStop.patience`: epochs without a better top-1 after which the run ends
 */
export type Recipe = z.infer<typeof recipeSchema>;

/** What a recipe file holds: any of the keys, and of a trick any of its settings. The rest comes from the preset it extends. */
export type RecipeInput = { extends?: PresetName } & { [Key in keyof Recipe]?: Recipe[Key] | Partial<Recipe[Key]> };

/**
 * Checks a recipe and completes it: omitted keys come from `base`, or from the preset that the value names as `extends`; omitted
 * settings of a trick that is off there are the paper's. A changed precision brings its own loss scale, unless one is given.
 *
 * @param where the file or option the value comes from, for the message
 * @param base a complete recipe
 * @param nameOf what to call a key, such as `mixup.alpha`, in the message
 * @throws InputError in one line with the place, the key and what is allowed
 */
export function parseRecipe(
  value: unknown,
  where: string,
  base: Recipe = presets.baseline,
  nameOf: (key: string) => string = (key) => key,
): Recipe {
  if (!isObject(value)) throw new InputError(`${where}: a recipe must be an object, not ${show(value)}`);
  const { extends: preset, ...changes } = value;
  if (preset !== undefined && !isPresetName(preset)) {
    const names = Object.keys(presets);
    throw new InputError(
      `${where}: ${nameOf("extends")}: must be ${listed(names)}, not ${show(preset)}${didYouMean(String(preset), names)}`,
    );
  }
  const recipe = complete(preset === undefined ? base : presets[preset], changes);
  const result = recipeSchema.safeParse(recipe);
  const problems = result.success
    ? contradictions(result.data)
    : result.error.issues.flatMap((issue) => flatten(issue));
  if (result.success && problems.length === 0) return result.data;
  const lines = problems.map(({ key, message }) => (key === "" ? message : `${nameOf(key)}: ${message}`));
  throw new InputError(`${where}: ${lines.join("; ")}`);
}

/** @throws InputError if a step needs more images than there are */
export function checkAgainstData(recipe: Recipe, trainImages: number): void {
  if (recipe.batchSize <= trainImages) return;
  throw new InputError(
    `batchSize: ${recipe.batchSize} is more than the ${trainImages} training images; give a --batch-size of at most ${trainImages}`,
  );
}

/** @throws InputError if the recipe distils and its teacher is not named or not there */
export function checkTeacher(recipe: Recipe): void {
  if (!recipe.distillation) return;
  const { teacher } = recipe.distillation;
  if (teacher !== null && existsSync(teacher)) return;
  const problem = teacher === null ? "the recipe names no teacher" : `there is no checkpoint at ${teacher}`;
  throw new InputError(`distillation.teacher: ${problem}; give --teacher CKPT or --no-distillation`);
}

/** @throws InputError if the recipe wants trained weights and names none to start from */
export function checkInit({ init, freezeEpochs, backboneLr }: Recipe): void {
  if (init && init.weights === null) {
    throw new InputError("init: the recipe starts from trained weights and names none; give --init WEIGHTS");
  }
  if (init || (freezeEpochs === 0 && backboneLr === 1)) return;
  const key = freezeEpochs > 0 ? "freezeEpochs" : "backboneLr";
  throw new InputError(
    `init: ${key} spares weights that are trained already, and the recipe names none; give --init WEIGHTS`,
  );
}

/** Fills what the changes leave out. The result is as unchecked as the changes are. */
function complete(base: Recipe, changes: Record<string, unknown>): unknown {
  const completed = Object.entries(changes).map(([key, change]) => {
    if (!isObject(change)) return [key, change];
    if (key === "schedule") return [key, completeSchedule(base.schedule, change)];
    return [key, { ...(settingsOf(base, key) ?? settingsOf(paperSettings, key)), ...change }];
  });
  const { precision, lossScale } = changes;
  const itsLossScale = precision === "fp16" ? "dynamic" : "none";
  if (precision !== undefined && precision !== base.precision && lossScale === undefined) {
    completed.push(["lossScale", itsLossScale]);
  }
  return { ...base, ...Object.fromEntries(completed) };
}

/** A change of type starts from the settings of that type, not from those of the other. */
function completeSchedule(base: Recipe["schedule"], change: Record<string, unknown>): unknown {
  const { type = base.type } = change;
  const settings = type === base.type ? base : type === "step" ? paperStepDecay : {};
  return { ...settings, ...change, type };
}

function settingsOf(recipe: object, key: string): object | undefined {
  const settings = Object.entries(recipe).find(([name]) => name === key)?.[1];
  return isObject(settings) ? settings : undefined;
}

interface Problem {
  key: string;
  message: string;
}

/** The issue of a union is that of its last member: the first one only says that the trick is not switched off. */
function flatten(issue: z.core.$ZodIssue, path: PropertyKey[] = []): Problem[] {
  const here = [...path, ...issue.path];
  const members = issue.code === "invalid_union" ? issue.errors.at(-1) : undefined;
  return members?.flatMap((member) => flatten(member, here)) ?? [{ key: here.join("."), message: issue.message }];
}

/** Keys that are right alone and wrong together. */
function contradictions(recipe: Recipe): Problem[] {
  const { batchSize, accumulation, schedule, warmup, epochs, init, zeroGamma, freezeEpochs } = recipe;
  const problems: Problem[] = [];
  if (batchSize % accumulation !== 0) {
    problems.push({
      key: "accumulation",
      message: `must divide the batch size, and ${batchSize} / ${accumulation} is not whole`,
    });
  }
  if (warmup && warmup.epochs >= epochs) {
    problems.push({
      key: "warmup.epochs",
      message: `must be shorter than the run, ${epochs} epochs, not ${warmup.epochs}; give a shorter --warmup or --no-warmup`,
    });
  }
  if (init && zeroGamma) {
    const message = "would erase what the gammas of the weights in init have learned; give --no-zero-gamma";
    problems.push({ key: "zeroGamma", message });
  }
  if (freezeEpochs >= epochs) {
    const message = `must be fewer than the run's epochs, ${epochs}, not ${freezeEpochs}`;
    problems.push({ key: "freezeEpochs", message });
  }
  if (schedule.type === "step") {
    const { milestones } = schedule;
    const [first] = milestones;
    if (milestones.some((milestone, i) => i > 0 && milestone <= (milestones[i - 1] ?? 0))) {
      problems.push({ key: "schedule.milestones", message: `must increase, and ${milestones.join(", ")} do not` });
    } else if (warmup && warmup.epochs < epochs && first !== undefined && first < warmup.epochs) {
      problems.push({
        key: "schedule.milestones",
        message: `must come after the warmup, ${warmup.epochs} epochs, and the first is ${first}`,
      });
    }
  }
  return problems;
}

function unknownKeys(keys: readonly string[], allowed: readonly string[]): string {
  return keys
    .map((key) => `unknown key "${key}"${didYouMean(key, allowed) || ` (there are: ${allowed.join(", ")})`}`)
    .join("; ");
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function show(value: unknown): string {
  const shown = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
