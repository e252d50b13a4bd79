import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { InputError, KnackError } from "../base/errors.js";
import type { ModelOptions } from "../models/entry.js";
import { MODELS, modelEntry } from "../models/registry.js";
import { presets } from "../recipe/presets.js";
import { type ImageSize, sidesOf } from "../settings/image-size.js";
import { readConfig } from "../weights/checkpoint.js";
import { CONFIG } from "../weights/checkpoint-files.js";
import type { CheckpointConfig } from "../weights/config.js";
import { foldersFor } from "../weights/find-checkpoint.js";
import { modelFor, readInitialWeights } from "../weights/initial-weights.js";

/** What a run can start from. */
export interface WeightsAtHand {
  readonly path: string;
  readonly model: string;
  readonly modelOptions: ModelOptions;
  /** Of the pictures it knows. */
  readonly imageSize: ImageSize;
  /** How many it tells apart; undefined where the file does not say. */
  readonly classes: number | undefined;
}

/** Fewer classes, or smaller pictures, teach a network little that helps with others. */
const [LEAST_CLASSES, LEAST_PIXELS] = [10, 64];

/**
 * The weights that were asked for: a checkpoint, a run or a file.
 *
 * @throws InputError where there are none, they are damaged, or several models fit
 */
export function weightsFrom(path: string): WeightsAtHand {
  if (!existsSync(path)) throw new InputError(`init (--init): there is nothing at ${path}`);
  const weights = readInitialWeights(path);
  const { model, modelOptions } = modelFor(weights, undefined, presets["fine-tune"]);
  const { num_classes: classes, input_size: size } = weights.config ?? {};
  return { path, model, modelOptions, imageSize: size ? sizeOf(size) : modelEntry(model).inputSize, classes };
}

/**
 * The best weights that lie where people put them: checkpoints and runs in the working folder, in its runs/, beside the data, and in the Hugging
 * Face hub's cache. The best are those of most classes, then of the largest pictures. Weights of the very classes are left out: their run may
 * have seen the pictures that are held out now.
 *
 * @param data the folder of the photographs, or their list
 */
export function weightsAtHand(data: string, classes: readonly string[]): WeightsAtHand | undefined {
  const places = [process.cwd(), resolve("runs"), dirname(resolve(data))];
  const folders = new Set([...places.flatMap(foldersIn), ...hubFolders()]);
  const found = [...folders].flatMap((path): WeightsAtHand[] => {
    const config = configAt(path);
    if (!config || !helps(config, classes)) return [];
    const { architecture: model, model_options: modelOptions, input_size: size, num_classes: count } = config;
    return [{ path: shortest(path), model, modelOptions, imageSize: sizeOf(size), classes: count }];
  });
  return found.sort(byWorth)[0];
}

function helps(config: CheckpointConfig, classes: readonly string[]): boolean {
  const { architecture, num_classes: count, input_size: size, in_chans: channels, label_names: names } = config;
  const own = new Set(names);
  return (
    MODELS.has(architecture) &&
    channels === 3 &&
    count >= LEAST_CLASSES &&
    Math.min(size[1], size[2]) >= LEAST_PIXELS &&
    !classes.every((name) => own.has(name))
  );
}

function byWorth(a: WeightsAtHand, b: WeightsAtHand): number {
  return (b.classes ?? 0) - (a.classes ?? 0) || areaOf(b) - areaOf(a) || (a.path < b.path ? -1 : 1);
}

/** Of a configuration's [channels, height, width]. */
function sizeOf([, height, width]: CheckpointConfig["input_size"]): ImageSize {
  return height === width ? height : [height, width];
}

function areaOf({ imageSize }: WeightsAtHand): number {
  const [height, width] = sidesOf(imageSize);
  return height * width;
}

/** What another program keeps in a folder of that kind is none. */
function configAt(path: string): CheckpointConfig | undefined {
  try {
    const [folder] = foldersFor(path);
    return folder === undefined ? undefined : readConfig(join(folder, CONFIG));
  } catch (error) {
    if (error instanceof KnackError) return undefined;
    throw error;
  }
}

/** The hub's cache: models--OWNER--NAME/snapshots/COMMIT, of each model the commits that were fetched. */
function hubFolders(): string[] {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface");
  const models = foldersIn(HF_HUB_CACHE ?? join(home, "hub")).filter((path) => basename(path).startsWith("models--"));
  return models.flatMap((path) => foldersIn(join(path, "snapshots")));
}

/** By their full paths; none where there is no such folder, or it may not be read. */
function foldersIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith("."))
      .map(({ name }) => join(path, name));
  } catch {
    return [];
  }
}

function shortest(path: string): string {
  const from = relative(process.cwd(), path);
  return from !== "" && !from.startsWith("..") ? from : path;
}
