import { MOST_CHANNELS } from "../settings/channels.js";
import { z } from "../settings/zod.js";
import { InputError } from "../base/errors.js";
import { readOnnxMetadata } from "../onnx/model-file.js";
import { calibrationSchema } from "../weights/calibration.js";

const count = z.int().positive();

/** Text that is JSON. */
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: "custom", message: "expected JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema);

const metadataSchema = z.object({
  class_names: json(z.array(z.string())).default([]),
  task: z.literal("multi-label").optional(),
  thresholds: json(z.array(z.number().min(0).max(1))).optional(),
  input_size: json(z.tuple([z.int().min(1).max(MOST_CHANNELS), count, count])).optional(),
  mean: json(z.array(z.number())).optional(),
  std: json(z.array(z.number().positive())).optional(),
  interpolation: z.enum(["bilinear", "bicubic"]).default("bicubic"),
  crop_pct: json(z.number().positive().max(1)).default(0.875),
  crop_mode: z.enum(["center", "pad", "squash"]).optional(),
  normalised_inside: json(z.object({ mean: z.array(z.number()) })).optional(),
  intensity: json(z.tuple([z.number(), z.number()]).refine(([black, white]) => black < white)).optional(),
  calibration: json(calibrationSchema).optional(),
});

/** What an ONNX file says about itself, under the keys `knack export` writes. What files of other programs leave open is undefined. */
export type OnnxDescription = z.infer<typeof metadataSchema>;

/** @throws InputError where the file cannot be read, or an entry is not what its key says. */
export function describeOnnx(path: string): OnnxDescription {
  const result = metadataSchema.safeParse(readOnnxMetadata(path));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InputError(`${path}: metadata ${issue?.path.join(".")}: ${issue?.message}`);
}
