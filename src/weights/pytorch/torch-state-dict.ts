import { InputError } from "../../base/errors.js";
import { quoted } from "../../base/printable.js";
import { StoredTensor } from "./torch-objects.js";
import { kindOf } from "./unpickle.js";

/** Where training scripts put the state dict beside epoch and optimizer; averaged weights come last. */
const USUAL_KEYS = ["state_dict", "model_state_dict", "model", "net", "state_dict_ema", "model_ema", "ema"];

/** What DataParallel and torch.compile put before every name, whichever was first. */
const WRAPPER_PREFIXES = ["module.", "_orig_mod.", "module."];

/**
 * Finds the state dict in what torch.save was given: at the top, or under one of the usual keys. A prefix that wrappers give
 * to every name is taken off.
 *
 * @param path the file's, for messages
 * @returns the tensors, and notes about what was chosen and what was left out
 * @throws InputError where there is none
 */
export function stateDictOf(value: unknown, path: string): { tensors: Map<string, StoredTensor>; notes: string[] } {
  if (!(value instanceof Map)) {
    const kind = value instanceof StoredTensor ? "a single tensor" : kindOf(value);
    throw new InputError(`${path} holds ${kind}, not a state dict: torch.save(model.state_dict(), ...)`);
  }
  const notes: string[] = [];
  const key = USUAL_KEYS.find((name) => holdsTensors(value.get(name)));
  const dict: Map<unknown, unknown> = key === undefined ? value : value.get(key);
  if (key !== undefined) {
    const others = [...value.keys()].filter((other) => other !== key);
    notes.push(`read the state dict under "${key}"${others.length > 0 ? `, not ${listed(others)} beside it` : ""}`);
  }
  const found = [...dict].filter((entry): entry is [string, StoredTensor] => isNamedTensor(entry));
  if (found.length === 0) {
    throw new InputError(
      `${path} holds no state dict: none of its keys (${listed([...value.keys()])}) has named tensors; ` +
        "torch.save(model.state_dict(), ...)",
    );
  }
  const others = [...dict].filter((entry) => !isNamedTensor(entry)).map(([name]) => name);
  if (others.length > 0) notes.push(`left out what is not a tensor: ${listed(others)}`);

  return { tensors: new Map(withoutWrappers(found, notes)), notes };
}

function withoutWrappers(entries: [string, StoredTensor][], notes: string[]): [string, StoredTensor][] {
  let bare = entries;
  for (const prefix of WRAPPER_PREFIXES) {
    if (!bare.every(([name]) => name.startsWith(prefix))) continue;
    notes.push(`took "${prefix}" off every name`);
    bare = bare.map(([name, tensor]) => [name.slice(prefix.length), tensor]);
  }
  return bare;
}

function isNamedTensor([name, value]: [unknown, unknown]): boolean {
  return typeof name === "string" && value instanceof StoredTensor;
}

function holdsTensors(value: unknown): value is Map<unknown, unknown> {
  return value instanceof Map && [...value].some(isNamedTensor);
}

function listed(keys: readonly unknown[]): string {
  const shown = keys
    .slice(0, 5)
    .map((key) => (typeof key === "string" || typeof key === "number" ? quoted(key) : kindOf(key)));
  return `${shown.join(", ")}${keys.length > 5 ? ` and ${keys.length - 5} more` : ""}`;
}
