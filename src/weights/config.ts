/** `config.json` of a checkpoint: what the model is and how pictures become its input, under the keys timm uses. */
import { z } from "zod";

const count = z.int().positive();
const fraction = z.number().min(0).max(1).nullable();

export const configSchema = z
  .object({
    /** The model's name in the registry: "resnet50d". */
    architecture: z.string().min(1),
    num_classes: count,
    in_chans: count,
    /** [channels, height, width] of the images it was trained on. */
    input_size: z.tuple([count, count, count]),
    /** Per channel, on the 0..1 scale. */
    mean: z.array(z.number()),
    std: z.array(z.number().positive()),
    /** How pictures of another size are resized. */
    interpolation: z.enum(["bilinear", "bicubic"]).default("bicubic"),
    /** The share of the resized picture's shorter side that the centre crop keeps: 224 of 256 is 0.875. */
    crop_pct: z.number().positive().max(1).default(0.875),
    /** The weights' licence, as "apache-2.0", where it is known. */
    license: z.string().optional(),
    /** Names of the classes, index = label. */
    label_names: z.array(z.string()),
    // Checked by the model: an option passed over would build another one than the weights are for.
    model_options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).default({}),
    /** Where knack was when it wrote the checkpoint; missing from checkpoints of other programs. */
    knack: z
      .object({
        version: z.string(),
        epoch: z.number(),
        step: z.number(),
        /** On the validation images, fractions of 1; null before the first evaluation. */
        top1: fraction,
        top5: fraction,
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
    if (config.label_names.length !== classes) complain("label_names", `expected ${classes} names as num_classes says`);
  });

/** The content of `config.json`. */
export type CheckpointConfig = z.infer<typeof configSchema>;
