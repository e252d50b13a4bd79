import { InputError } from "../../base/errors.js";
import { lookAt } from "../../data/sources/read-files.js";
import { requireCheckpoint } from "../../weights/checkpoint.js";

/**
 * Parts paths at the first that is no model: runs, checkpoints, .safetensors and .onnx files come before pictures.
 *
 * @throws InputError where nothing follows the models
 */
export function modelsBefore(paths: readonly string[]): { models: string[]; pictures: string[] } {
  const first = paths.findIndex((path) => !isModel(path));
  if (first === -1) throw new InputError("all of these are models: give pictures after them, to classify");
  return { models: paths.slice(0, first), pictures: paths.slice(first) };
}

function isModel(path: string): boolean {
  if (/\.(onnx|safetensors)$/i.test(path)) return true;
  if (!lookAt(path)?.isDirectory()) return false;
  try {
    requireCheckpoint(path);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
