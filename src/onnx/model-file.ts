import { InputError } from "../base/errors.js";
import type { LoadedModel } from "../weights/load-model.js";
import { OpenFile } from "../weights/open-file.js";
import { decodeMetadata, decodeModel, type ModelProto } from "./schema.js";

/**
 * What an exported model says about itself: `config.json` of its checkpoint as texts, JSON but for names. Whoever reads `mean` and `std` normalises by
 * them; its logits are already divided by the calibration's temperature.
 */
export function metadataOf(
  { config, calibration }: Pick<LoadedModel, "config" | "calibration">,
  input: "float32" | "uint8",
): Record<string, string> {
  const { mean, std } = config;
  return {
    architecture: config.architecture,
    model_options: JSON.stringify(config.model_options),
    class_names: JSON.stringify(config.label_names),
    input_size: JSON.stringify(config.input_size),
    ...(input === "uint8"
      ? { input_type: input, normalised_inside: JSON.stringify({ mean, std }) }
      : { mean: JSON.stringify(mean), std: JSON.stringify(std) }),
    interpolation: config.interpolation,
    crop_pct: JSON.stringify(config.crop_pct),
    ...(config.crop_mode === undefined ? {} : { crop_mode: config.crop_mode }),
    ...(config.intensity === undefined ? {} : { intensity: JSON.stringify(config.intensity) }),
    ...(calibration === undefined ? {} : { calibration: JSON.stringify(calibration) }),
    ...(config.task === undefined ? {} : { task: config.task }),
    ...(config.thresholds === undefined ? {} : { thresholds: JSON.stringify(config.thresholds) }),
    ...(config.license === undefined ? {} : { license: config.license }),
  };
}

/**
 * The texts that an ONNX file, of whatever program, carries under keys.
 *
 * @throws InputError where the file cannot be read or is no protobuf.
 */
export function readOnnxMetadata(path: string): Record<string, string> {
  return read(path, decodeMetadata);
}

/** @throws InputError as `readOnnxMetadata`. */
export function readOnnxModel(path: string): ModelProto {
  return read(path, decodeModel);
}

function read<T>(path: string, decode: (bytes: Uint8Array) => T): T {
  using file = new OpenFile(path);
  try {
    return decode(file.read(0, file.size));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path} is cut off or no ONNX file: ${(error as Error).message}`, error);
  }
}
