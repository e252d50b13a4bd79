import { InputError } from "../../base/errors.js";
import { quoted } from "../../base/printable.js";
import { StoredTensor } from "./torch-objects.js";
import { kindOf } from "./unpickle.js";

/** Where training scripts put the state dict beside epoch and optimizer; averaged weights come last. */
const USUAL_KEYS = ["state_dict", "model_state_dict", "model", "net", "state_dict_ema", "model_ema", "ema"];

/** What an optimizer keeps is no network's. */
const OF_TRAINING = /optim|sched|scaler/i;

type Dict = ReadonlyMap<unknown, unknown>;

/** A state dict inside of what was saved, by the keys that lead there with dots between. */
interface Candidate {
  readonly key: string;
  readonly dict: Dict;
}

/**
 * Finds the state dict in what torch.save was given: at the top, or under one of the usual keys, or where the only one is.
 *
 * @param path the file's, for messages
 * @param key where it is, for who knows
 * @returns the tensors, and notes about what was chosen and what was left out
 * @throws InputError where there is none, or several that nothing chooses between
 */
export function stateDictOf(
  value: unknown,
  path: string,
  key: string | undefined,
): { tensors: Map<string, StoredTensor>; notes: string[] } {
  if (!(value instanceof Map)) {
    const kind = value instanceof StoredTensor ? "a single tensor" : kindOf(value);
    throw new InputError(`${path} holds ${kind}, not a state dict: torch.save(model.state_dict(), ...)`);
  }
  const candidates = candidatesIn(value);
  const chosen = key === undefined ? usual(value, candidates, path) : named(key, value, candidates, path);
  const notes: string[] = [];
  if (chosen) {
    const others = [...value.keys()].filter((other) => other !== chosen.key.split(".")[0]);
    notes.push(
      `read the state dict under "${chosen.key}"${others.length > 0 ? `, not ${listed(others)} beside it` : ""}`,
    );
    const alike = candidates.filter((other) => other.key !== chosen.key).map((other) => other.key);
    if (key === undefined && alike.length > 0) {
      notes.push(`there are other state dicts, which knack import --key takes: ${listed(alike)}`);
    }
  }
  const dict: Dict = chosen?.dict ?? value;
  const found = [...dict].filter((entry): entry is [string, StoredTensor] => isNamedTensor(entry));
  if (found.length === 0) {
    throw new InputError(
      `${path} holds no state dict: none of its keys (${listed([...value.keys()])}) has named tensors; ` +
        "torch.save(model.state_dict(), ...)",
    );
  }
  const others = [...dict].filter((entry) => !isNamedTensor(entry)).map(([name]) => name);
  if (others.length > 0) notes.push(`left out what is not a tensor: ${listed(others)}`);
  return { tensors: new Map(found), notes };
}

/** Texts and numbers beside a state dict: what the file says of itself. */
export function saidBeside(value: unknown): Record<string, string> {
  if (!(value instanceof Map)) return {};
  const said = [...value].filter(
    ([name, each]) => typeof name === "string" && ["string", "number", "boolean"].includes(typeof each),
  );
  return Object.fromEntries(said.map(([name, each]) => [name, String(each)]));
}

/** State dicts below the top, at most two keys deep. */
function candidatesIn(value: Dict): Candidate[] {
  const below = (dict: Dict, before: string): Candidate[] =>
    [...dict].flatMap(([name, inner]): Candidate[] =>
      typeof name === "string" && inner instanceof Map && !OF_TRAINING.test(name)
        ? [{ key: before + name, dict: inner }]
        : [],
    );
  const first = below(value, "");
  const second = first.flatMap(({ key, dict }) => (holdsTensors(dict) ? [] : below(dict, `${key}.`)));
  return [...first, ...second].filter(({ dict }) => holdsTensors(dict));
}

function usual(value: Dict, candidates: readonly Candidate[], path: string): Candidate | undefined {
  const rank = ({ key }: Candidate) => USUAL_KEYS.indexOf(key.split(".").at(-1) ?? "");
  const [first] = candidates.filter((each) => rank(each) >= 0).sort((a, b) => rank(a) - rank(b));
  if (first || holdsTensors(value)) return first;
  if (candidates.length > 1) {
    const keys = candidates.map(({ key }) => key);
    throw new InputError(`${path} holds several state dicts (${listed(keys)}): choose one by knack import --key NAME`);
  }
  return candidates[0];
}

function named(key: string, value: Dict, candidates: readonly Candidate[], path: string): Candidate {
  const found = candidates.find((each) => each.key === key);
  if (found) return found;
  // A key may also be what names begin with: two networks in one state dict.
  for (const dict of [value, ...candidates.map((each) => each.dict)]) {
    const begins = [...dict].filter(([name]) => typeof name === "string" && name.startsWith(`${key}.`));
    if (begins.some(isNamedTensor)) return { key, dict: new Map(begins) };
  }
  const keys = candidates.map((each) => each.key);
  throw new InputError(
    `--key: ${path} has no state dict under "${key}"; ${keys.length > 0 ? `there are ${listed(keys)}` : "drop --key"}`,
  );
}

function isNamedTensor([name, value]: [unknown, unknown]): boolean {
  return typeof name === "string" && value instanceof StoredTensor;
}

function holdsTensors(dict: Dict): boolean {
  return [...dict].some(isNamedTensor);
}

function listed(keys: readonly unknown[]): string {
  const shown = keys
    .slice(0, 5)
    .map((key) => (typeof key === "string" || typeof key === "number" ? quoted(key) : kindOf(key)));
  return `${shown.join(", ")}${keys.length > 5 ? ` and ${keys.length - 5} more` : ""}`;
}
