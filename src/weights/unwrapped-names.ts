import { printable } from "../base/printable.js";
import type { RawTensor } from "../tensor/raw-tensor.js";

type Weights = ReadonlyMap<string, RawTensor>;

/** Wrappers of wrappers: DataParallel, torch.compile, Lightning and a class of one's own are four. */
const MOST_PREFIXES = 8;

/**
 * Takes off what programs put before a network's names ("module.", "model.", "backbone."), one or several nested: where every name begins
 * so, or where the whole network lies under one prefix and something else beside it.
 *
 * @param own all names of the model
 * @param needed those that any file for it has: the parameters without the classifier's
 * @param heads what the classifier may be called
 * @param notes gets a line for each change
 */
export function unwrappedNames(
  weights: Weights,
  { own, needed, heads }: Readonly<Record<"own" | "needed" | "heads", readonly string[]>>,
  notes: string[],
): Map<string, RawTensor> {
  let bare = new Map(weights);
  for (let count = 0; count < MOST_PREFIXES; count++) {
    const prefix = commonPrefix([...bare.keys()]);
    if (prefix === undefined || own.some((name) => name.startsWith(prefix))) break;
    notes.push(`took "${printable(prefix, 80)}" off every name`);
    bare = new Map([...bare].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
  const [stem] = needed;
  if (stem === undefined || bare.has(stem)) return bare;
  const prefixes = [...bare.keys()]
    .filter((name) => name.endsWith(`.${stem}`))
    .map((name) => name.slice(0, -stem.length))
    .filter((prefix) => needed.every((name) => bare.has(prefix + name)))
    .sort((a, b) => a.length - b.length);
  const [prefix, ...others] = prefixes;
  if (prefix === undefined) return bare;
  const inside = [...bare].filter(([name]) => name.startsWith(prefix));
  const taken = new Map(inside.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  const beside = [...bare.keys()].filter((name) => !name.startsWith(prefix));
  // A classifier put on a backbone lies beside it.
  const isHead = (name: string) => heads.some((head) => name.startsWith(`${head}.`));
  const hasHead = [...taken.keys()].some(isHead);
  const left = beside.filter((name) => hasHead || !isHead(name));
  for (const name of beside) {
    const tensor = bare.get(name);
    if (tensor && !left.includes(name)) taken.set(name, tensor);
  }
  const alike = others.map((other) => `those under "${printable(other, 80)}"`);
  const rest = alike.length > 0 ? alike : left.slice(0, 3).map((name) => printable(name, 80));
  const more = alike.length === 0 && left.length > 3 ? ` and ${left.length - 3} more` : "";
  const not = rest.length > 0 ? `, not ${rest.join(", ")}${more}` : "";
  notes.push(`took the weights under "${printable(prefix, 80)}"${not}`);
  return taken;
}

/** What all names begin with, up to the first dot and with it. */
function commonPrefix(names: readonly string[]): string | undefined {
  const [first = ""] = names;
  const prefix = first.slice(0, first.indexOf(".") + 1);
  return prefix !== "" && names.every((name) => name.startsWith(prefix)) ? prefix : undefined;
}
