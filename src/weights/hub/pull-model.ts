import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../base/errors.js";
import { modelEntry } from "../../models/registry.js";
import { requireDevice } from "../../tensor/require-device.js";
import { readConfig, requireFree } from "../checkpoint.js";
import { HubModel, type HubOptions } from "./hub.js";
import { type Imported, writeFitted } from "../import-weights.js";
import { readWeights } from "../read-weights.js";

const CONFIG = "config.json";
/** In the order of preference. */
const WEIGHTS = ["model.safetensors", "pytorch_model.bin"];
const MOST_CONFIG_BYTES = 2 ** 25;
const MOST_WEIGHTS_BYTES = 2 ** 31;

export interface PullOptions extends HubOptions {
  /** Names of the classes, index = label; otherwise those of the model's config.json. */
  readonly classNames?: readonly string[];
}

/**
 * Fetches a timm model of the Hugging Face hub and writes it as a checkpoint's folder.
 *
 * @param name "OWNER/MODEL"
 * @param directory a new or empty folder
 * @throws InputError where the hub has no such model or knack cannot build it; KnackError where it does not come whole.
 *   Then nothing was written.
 */
export async function pullModel(name: string, directory: string, options: PullOptions = {}): Promise<Imported> {
  requireFree(directory);
  requireDevice("cpu");
  const found = await HubModel.find(name, [CONFIG, ...WEIGHTS], options);
  const folder = fs.mkdtempSync(join(tmpdir(), "knack-pull-"));
  try {
    const stated = readConfig(await found.download(CONFIG, folder, MOST_CONFIG_BYTES));
    modelEntry(stated.architecture);
    const { classNames = stated.label_names } = options;
    if (classNames.length !== stated.num_classes) {
      throw new InputError(`--classes: ${classNames.length} names for ${stated.num_classes} classes`);
    }
    const license = stated.license ?? found.license;
    const config = { ...stated, label_names: [...classNames], ...(license === undefined ? {} : { license }) };
    const path = WEIGHTS.find((each) => found.has(each));
    if (path === undefined) throw new InputError(`${name} has neither ${WEIGHTS.join(" nor ")}`);
    const file = await found.download(path, folder, MOST_WEIGHTS_BYTES);
    const { tensors, metadata, notes } = readWeights(file);
    const written = writeFitted(tensors, `${name}/${path}`, config, directory, { replaceHead: false });
    return { config, tensors: tensors.size, metadata, notes: [...notes, ...written], warnings: [] };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
