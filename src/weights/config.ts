/** `config.json` of a checkpoint: what the model is and how pictures become its input, under the keys timm uses. */
import type { EvaluationLook } from "../data/kinds/kind.js";
import { MOST_CHANNELS } from "../settings/channels.js";
import { z } from "../settings/zod.js";
import { InputError } from "../base/errors.js";
import { MODELS } from "../models/registry.js";

const MOST_CLASSES = 1_000_000;
const MOST_PIXELS = 8192;

const count = z.int().positive();
const pixels = count.max(MOST_PIXELS);
const fraction = z.number().min(0).max(1).nullable();

const configSchema = z
  .object({
    /** The model's name in the registry: "resnet50d". */
    architecture: z.string().regex(/^[\w.+-]+$/, "expected a model's name"),
    num_classes: count.max(MOST_CLASSES),
    in_chans: z.int().min(1).max(MOST_CHANNELS),
    /** [channels, height, width] of the images it was trained on. */
    input_size: z.tuple([count, pixels, pixels]),
    /** Per channel, on the 0..1 scale. */
    mean: z.array(z.number()),
    std: z.array(z.number().positive()),
    /** How pictures of another size are resized. */
    interpolation: z
      .enum(["bilinear", "bicubic"], { error: "knack has bilinear and bicubic; write there which comes closest" })
      .default("bicubic"),
    /** The share of the resized picture's shorter side that the centre crop keeps: 224 of 256 is 0.875. */
    crop_pct: z.number().positive().max(1).default(0.875),
    /** How pictures of another shape become the input, where the centre is not all that counts: timm's "squash", and "pad", which timm lacks. */
    crop_mode: z.enum(["center", "pad", "squash"], { error: "knack has center, pad and squash" }).optional(),
    /** The values that are black and white in pictures of more than 8 bits, where that is not their type's range. */
    intensity: z
      .tuple([z.number(), z.number()])
      .refine(([black, white]) => black < white, "expected two numbers, the lower one first")
      .optional(),
    /** The weights' licence, as "apache-2.0", where it is known. */
    license: z.string().optional(),
    /** Names of the classes, index = label. */
    label_names: z.array(z.string()),
    /** Whether a picture may show any number of the classes: logits then are each for itself. */
    task: z.literal("multi-label").optional(),
    /** There: from which probability on a picture is taken for each class; 0.5 where it does not say. */
    thresholds: z.array(fraction.unwrap()).optional(),
    // Checked by the model: an option passed over would build another one than the weights are for.
    model_options: z.record(z.string().regex(/^\w+$/), z.union([z.number(), z.string(), z.boolean()])).default({}),
    /** Where knack was when it wrote the checkpoint; missing from checkpoints of other programs. */
    knack: z
      .object({
        version: z.string(),
        epoch: z.number(),
        step: z.number(),
        /** On the validation images, fractions of 1; null before the first evaluation. */
        top1: fraction,
        top5: fraction,
        /** top1 computed in bf16; only of a finished run's best weights, where the processor has instructions for that. */
        top1_bf16: fraction.optional(),
        /** The recipe's name. */
        recipe: z.string(),
      })
      .optional(),
  })
  .superRefine((config, context) => {
    const complain = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    const { in_chans: channels, num_classes: classes } = config;
    if (config.input_size[0] !== channels) complain("input_size", `expected ${channels} channels as in_chans says`);
    if (config.mean.length !== channels) complain("mean", `expected ${channels} numbers, one per channel`);
    if (config.std.length !== channels) complain("std", `expected ${channels} numbers, one per channel`);
    if (config.thresholds && config.thresholds.length !== classes)
      complain("thresholds", `expected ${classes} numbers as num_classes says`);
    if (config.label_names.length !== classes) complain("label_names", `expected ${classes} names as num_classes says`);
  });

/** What timm has a choice of and knack has not. */
const conventionsSchema = z.object({
  global_pool: z.literal("avg", { error: "knack's models average over the picture (avg)" }).optional(),
});

/** What `config.json` says. */
export type CheckpointConfig = z.infer<typeof configSchema>;

type LookKeys = Pick<CheckpointConfig, "crop_mode" | "crop_pct" | "interpolation" | "intensity">;

/** How a checkpoint says that pictures are brought to the input's size, and an ONNX file by the same keys. */
export function lookOf({ crop_mode = "center", crop_pct, interpolation, intensity }: LookKeys): EvaluationLook {
  return { resize: crop_mode === "center" ? "crop" : crop_mode, cropPct: crop_pct, interpolation, intensity };
}

/**
 * The content of `config.json` in the form of timm's models on the Hugging Face hub, which timm reads as
 * `local-dir:FOLDER`; of knack's own there are only the keys `knack`, `intensity`, `task` and `thresholds`, which timm passes over.
 */
export function configJson(config: CheckpointConfig): object {
  const {
    architecture,
    num_classes,
    in_chans,
    label_names,
    model_options,
    knack,
    intensity,
    task,
    thresholds,
    ...pretrained_cfg
  } = config;
  return {
    architecture,
    num_classes,
    global_pool: "avg",
    label_names,
    model_args: { ...model_options, ...(in_chans === 3 ? {} : { in_chans }) },
    pretrained_cfg,
    ...(intensity === undefined ? {} : { intensity }),
    ...(task === undefined ? {} : { task }),
    ...(thresholds === undefined ? {} : { thresholds }),
    ...(knack === undefined ? {} : { knack }),
  };
}

/**
 * Reads `config.json` in the form of timm's models on the Hugging Face hub, which keeps most keys under `pretrained_cfg`, or
 * flat, as timm's older form and knack 0.1 have it. Classes without names are called "0", "1", ...
 *
 * @param where the file's name, for the message
 * @throws InputError of one line that names the key.
 */
export function parseConfig(json: unknown, where: string): CheckpointConfig {
  if (!isObject(json)) throw new InputError(`${where} is not a JSON object`);
  const pretrained = isObject(json.pretrained_cfg) ? json.pretrained_cfg : {};
  const flat = withoutNulls({ ...pretrained, ...json });
  const conventions = conventionsSchema.safeParse(flat);
  const result = configSchema.safeParse(completed(flat));
  if (conventions.success && result.success) return result.data;
  const [issue] = (conventions.error ?? result.error)?.issues ?? [];
  const path = [...(issue?.path ?? [])];
  if (Object.hasOwn(pretrained, path[0] ?? "") && !Object.hasOwn(json, path[0] ?? "")) path.unshift("pretrained_cfg");
  throw new InputError(`${where}: ${path.join(".") || "the whole"}: ${issue?.message}`.replace(/\s+/g, " "));
}

/** What timm's `model_args` repeat, or what only training uses. */
const SAID_ELSEWHERE = ["num_classes", "global_pool", "drop_rate", "drop_path_rate"];

/** Fills in what other programs leave out because it goes without saying. */
function completed(config: Record<string, unknown>): Record<string, unknown> {
  const {
    architecture,
    input_size: size,
    num_classes: classes,
    label_names: names,
    label_descriptions: texts,
  } = config;
  const { in_chans: channels, ...modelArgs } = isObject(config.model_args) ? config.model_args : {};
  for (const key of SAID_ELSEWHERE) delete modelArgs[key];
  // A flat file with model_options is an early one of knack.
  const early = config.model_options;
  const implied = typeof architecture === "string" ? MODELS.get(architecture)?.earlierDefaults : undefined;
  return {
    in_chans: channels ?? (Array.isArray(size) ? size[0] : undefined),
    ...config,
    model_options: isObject(early) ? { ...implied, ...early } : (early ?? modelArgs),
    label_names:
      Array.isArray(names) && isObject(texts)
        ? names.map((name) => (Object.hasOwn(texts, name) ? texts[name] : name))
        : (names ?? numbered(classes)),
  };
}

function numbered(classes: unknown): string[] | undefined {
  const isCount = Number.isInteger(classes) && Number(classes) > 0 && Number(classes) <= MOST_CLASSES;
  return isCount ? Array.from({ length: Number(classes) }, (_, label) => String(label)) : undefined;
}

function withoutNulls(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
