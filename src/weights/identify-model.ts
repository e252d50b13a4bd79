import { InputError } from "../base/errors.js";
import type { ModelEntry, ModelOptions } from "../models/entry.js";
import { createModel, MODELS } from "../models/registry.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { isChannels } from "../settings/channels.js";
import { fitWeights, HEADS, taskOfWeights } from "./fit-weights.js";

type Weights = ReadonlyMap<string, RawTensor>;

/** A model that weights are for. */
export interface FittingModel {
  readonly model: string;
  /** What the shapes say. */
  readonly modelOptions: ModelOptions;
}

/** The models of the registry that have these names and shapes, whatever the classes and channels; forms that are the same network once. */
export function fittingModels(raw: Weights): FittingModel[] {
  const fitting: FittingModel[] = [];
  for (const entry of MODELS.values()) {
    if (isSameAsB(entry) || !hasNames(entry, raw)) continue;
    const modelOptions = optionsOf(entry, raw);
    if (modelOptions && hasShapes(entry, modelOptions, raw)) fitting.push({ model: entry.name, modelOptions });
  }
  // A form for small images that differs in strides only has the same weights: the images' size tells the two apart.
  return fitting.filter(({ model }) => !fitting.some((other) => MODELS.get(other.model)?.small === model));
}

/**
 * The one model that a file's names and shapes fit.
 *
 * @param said what the file calls its network, which decides between models of the same names
 * @throws InputError where there is none, or several
 */
export function modelOfWeights(raw: Weights, where: string, said: string | undefined): FittingModel {
  const fitting = fittingModels(raw);
  const [first] = fitting;
  const one = fitting.length === 1 ? first : fitting.find(({ model }) => model === said);
  if (one) return one;
  throw new InputError(
    first === undefined
      ? `${where}: its names and shapes are those of no model that knack knows: give --model if they are for one; \`knack models\` lists them`
      : `${where}: its names and shapes fit ${fitting.map(({ model }) => model).join(" and ")} alike: give --model`,
  );
}

/** v1 of a network whose B form, the usual name, is the same network. */
function isSameAsB({ name, tweaks }: ModelEntry): boolean {
  return tweaks !== undefined && tweaks.names.v1 === name && MODELS.get(tweaks.names.b)?.tweaks?.changed === false;
}

/** A parameter of each model that names it, found once. */
const lastNames = new Map<ModelEntry, string>();

/** Names do not depend on the width: the narrowest network is soon made. */
function hasNames(entry: ModelEntry, raw: Weights): boolean {
  const known = lastNames.get(entry);
  if (known !== undefined && ![...raw.keys()].some((name) => name.endsWith(known))) return false;
  const isOfHead = (name: string) => [...HEADS, ...entry.classifiers].some((head) => name.startsWith(`${head}.`));
  using model = createModel(entry.name, { classes: 2, inChannels: 3 }, hasWidth(entry) ? { width: 2 } : {});
  const names = Array.from(model.parameters(), ([name]) => name).filter((name) => !isOfHead(name));
  lastNames.set(entry, names.at(-1) ?? "");
  const { weights } = fitWeights(model, entry, raw, { replaceHead: false });
  const own = new Set(Array.from(model.state(), ([name]) => name));
  return (
    names.every((name) => weights.has(name)) && [...weights.keys()].every((name) => own.has(name) || isOfHead(name))
  );
}

/** The width, where it is another than usual; undefined where the shapes have none. */
function optionsOf(entry: ModelEntry, raw: Weights): ModelOptions | undefined {
  if (!hasWidth(entry)) return {};
  const narrow = 2;
  using model = createModel(entry.name, { classes: 2, inChannels: 3 }, { width: narrow });
  const { weights } = fitWeights(model, entry, raw, { replaceHead: false });
  const [name, own] = [...model.parameters()].find(([, { shape }]) => shape.length === 1) ?? [];
  const channels = name === undefined ? undefined : weights.get(name)?.shape[0];
  const width = (narrow * (channels ?? Number.NaN)) / (own?.size ?? 1);
  if (!entry.options.safeParse({ width }).success) return undefined;
  return entry.options.parse({}).width === width ? {} : { width };
}

function hasWidth({ options }: ModelEntry): boolean {
  return Object.hasOwn(options.shape, "width");
}

function hasShapes(entry: ModelEntry, options: ModelOptions, raw: Weights): boolean {
  using probe = createModel(entry.name, { classes: 2, inChannels: 3 }, options);
  const { inChannels } = taskOfWeights(probe, entry, raw);
  if (!isChannels(inChannels)) return false;
  const { weights } = fitWeights(probe, entry, raw, { replaceHead: false });
  const stem = [...probe.parameters()].find(([, { shape }]) => shape.length === 4)?.[0];
  return [...probe.parameters()].every(([name, { shape }]) => {
    if (entry.classifiers.some((path) => name.startsWith(`${path}.`))) return true;
    const found = weights.get(name)?.shape ?? [];
    const same = (sizes: readonly number[]) => (name === stem ? sizes.with(1, 0) : sizes).join();
    return found.length === shape.length && same(found) === same(shape);
  });
}
