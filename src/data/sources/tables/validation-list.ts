import { basename, dirname, join } from "node:path";
import { splitsAmong } from "../photos/split-names.js";
import { namesIn } from "../read-files.js";
import { Table } from "./table.js";

const OF_TRAINING = /^(|.*[^a-z])(?:train|training)([^a-z].*)$/is;

/**
 * The list beside "train.csv", "flowers_train.csv", … that is called the same for validation; of a test's only one with the same columns:
 * competitions give theirs without labels.
 */
export function validationListFor(file: string): string | undefined {
  const [folder, name] = [dirname(file), basename(file)];
  const [, before, behind] = OF_TRAINING.exec(name) ?? [];
  if (before === undefined || behind === undefined) return undefined;
  const lists = new Map<string, string>();
  for (const other of namesIn(folder)) {
    if (!(other.startsWith(before) && other.endsWith(behind))) continue;
    lists.set(other.slice(before.length, other.length - behind.length), join(folder, other));
  }
  const { validation } = splitsAmong([...lists.keys()]);
  const list = lists.get(validation ?? "");
  if (list === undefined || !/^test/i.test(validation ?? "")) return list;
  return sameColumns(file, list) ? list : undefined;
}

function sameColumns(a: string, b: string): boolean {
  const [one, other] = [a, b].map((file) => new Table(file).firstRows(1)[0]?.cells ?? []) as [string[], string[]];
  return one.length === other.length && one.every((cell, i) => cell === other[i]);
}
