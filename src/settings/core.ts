/** The keys of a recipe that belong to no part: what is trained, how long, from which pictures. */
import { channels } from "./channels.js";
import { imageSize, RESIZE_MODES } from "./image-size.js";
import { z } from "./zod.js";
import {
  aboveZero,
  atLeastZero,
  choice,
  count,
  countOrZero,
  nullOr,
  number,
  section,
  show,
  text,
  type Values,
  value,
} from "./schema.js";
import type { Switch } from "./switches.js";

/** Which options there are, and their values, is the model's to say. */
const modelOptions = z.record(
  z.string(),
  value<number | string | boolean>("a number, a text, true or false", (value) =>
    ["number", "string", "boolean"].includes(typeof value),
  ),
  { error: (issue) => `must be an object of the model's options, not ${show(issue.input)}` },
);

function perChannel(test: (value: number) => boolean) {
  return value<number[]>(
    "a list of numbers, one per channel",
    (value) => Array.isArray(value) && value.length > 0 && value.every((each) => Number.isFinite(each) && test(each)),
  );
}

const intensity = value<readonly [number, number]>(
  "null or two numbers, black and white, such as 0,4095",
  (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[0] < value[1],
);

/**
 * - `model`, `modelOptions`: a name of the model registry, and its options
 * - `batchSize`: images per optimizer step over everything; `accumulation`: in how many parts a step is computed
 * - `lr`: the initial rate; a trick may scale it
 * - `imageSize`: height and width that photographs are brought to; null is that of the weights the run starts from, or the model's own. Small
 *   images in memory keep theirs
 * - `resize`: how photographs of another shape become that; null is as the weights the run starts from want it, or "crop"
 * - `channels`: of photographs; 1 is grey, 3 are colours, and 2, 4 and 5 are kept as the files have them. null is as many as the weights the run
 *   starts from take, or 3
 * - `normalize`: null is that of the weights the run starts from, or of the data: ImageNet's for photographs, measured for images in memory
 * - `intensity`: the values that are black and white in photographs of 16 bits or floating-point numbers; null is all of 16 bits, 0 to 255 of
 *   other numbers, and an error where that would be no picture
 * - `onBadImage`: what happens when a photograph cannot be read; `maxBadImages`: the share of them that is put up with
 * - `select`: the metric that decides on the best epoch, which there are is `metrics/index.ts`'s to say; null is top-1, or of several labels mAP
 * - `onDivergence`: what happens where the loss or a gradient is not finite: the run stops, or goes on from its last checkpoint with half the rate
 * - `seed`: everything random follows from it
 */
export const CORE_SHAPE = {
  name: text,
  model: text,
  modelOptions,
  epochs: count,
  batchSize: count,
  accumulation: count,
  lr: aboveZero,
  weightDecay: atLeastZero,
  imageSize: nullOr(imageSize),
  resize: nullOr(choice(...RESIZE_MODES)),
  channels,
  normalize: nullOr(section({ mean: perChannel(() => true), std: perChannel((value) => value > 0) })),
  intensity: nullOr(intensity),
  onBadImage: choice("skip", "fail"),
  maxBadImages: number("a share from 0 to 1, such as 0.1 or 10%", (share) => share >= 0 && share <= 1),
  select: nullOr(text),
  onDivergence: choice("stop", "lower-lr"),
  seed: countOrZero,
};

/** What of a recipe every part may look at. */
export type CoreRecipe = Values<typeof CORE_SHAPE>;

/** Their switches, by the group of --help that they stand in. */
export const CORE_SWITCHES = {
  training: [
    { flags: "--model <name>", help: "the network, such as resnet50d", key: "model", reads: "text" },
    {
      flags: "--option <key=value>",
      help: "an option of the model, such as width=32; may be repeated",
      key: "modelOptions",
      reads: "pairs",
    },
    { flags: "--epochs <count>", help: "passes over the training images", key: "epochs", reads: "number" },
    {
      flags: "--batch-size <images>",
      help: "images per optimizer step, over everything; train: auto is the largest that fits",
      key: "batchSize",
      reads: "number",
    },
    {
      flags: "--accumulation <parts>",
      help: "compute each step in so many parts",
      key: "accumulation",
      reads: "number",
    },
    {
      flags: "--lr <rate>",
      help: "initial learning rate; with linear scaling, that of 256 images a step",
      key: "lr",
      reads: "number",
    },
    {
      flags: "--on-divergence <policy>",
      help: "stop, or lower-lr: go on from the last checkpoint with half the rate",
      key: "onDivergence",
      reads: "text",
    },
    { flags: "--weight-decay <value>", help: "weight decay", key: "weightDecay", reads: "number" },
    { flags: "--seed <number>", help: "everything random follows from it", key: "seed", reads: "number" },
  ],
  pictures: [
    {
      flags: "--image-size <size>",
      help: "pixels that photographs are brought to: 224, or HEIGHTxWIDTH as 192x320 (default: the model's)",
      key: "imageSize",
      reads: "size",
    },
    {
      flags: "--resize <how>",
      help: "photographs of another shape: crop what sticks out, pad with the mean, or squash (default: crop)",
      key: "resize",
      reads: "text",
    },
    {
      flags: "--channels <count>",
      help: "photographs: 1 is grey, 3 colours; 2, 4 and 5 as the files have them, transparency too (default: 3)",
      key: "channels",
      reads: "number",
    },
    {
      flags: "--mean <values>",
      help: "mean of each channel on the scale 0..1, such as 0.485,0.456,0.406",
      key: "normalize.mean",
      reads: "numbers",
    },
    {
      flags: "--std <values>",
      help: "standard deviation of each channel on the scale 0..1",
      key: "normalize.std",
      reads: "numbers",
    },
    {
      flags: "--intensity <min,max>",
      help: "the values that are black and white in 16-bit and floating-point photographs, such as 0,4095",
      key: "intensity",
      reads: "numbers",
    },
    {
      flags: "--on-bad-image <policy>",
      help: "skip photographs that cannot be read, or fail",
      key: "onBadImage",
      reads: "text",
    },
    {
      flags: "--max-bad-images <share>",
      help: "photographs that may be unreadable, such as 10%",
      key: "maxBadImages",
      reads: "share",
    },
  ],
} as const satisfies Readonly<Record<string, readonly Switch[]>>;
