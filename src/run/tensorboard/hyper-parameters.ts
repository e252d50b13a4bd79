import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.js";
import { isObject } from "../../settings/schema.js";
import { RunFolder } from "../run-folder.js";
import { encodeSessionEnd, encodeSessionStart, encodeText, encodeVersion, type HyperParameter } from "./event.js";
import { frameRecord } from "./records.js";

/** Files of their own, read before and after that of the curves: TensorBoard goes through a folder's files by their names. */
const BEGIN_FILE = "events.out.tfevents.begin";
const END_FILE = "events.out.tfevents.knack.end";

/**
 * Gives TensorBoard what is on its tabs HPARAMS and TEXT: the recipe, and once the run is done that it is. Which values are the results, TensorBoard finds by
 * itself: the last ones of all curves.
 *
 * @param folder the event files'
 * @param times when the run began and, where it is done, ended, seconds since 1970
 */
export function writeHyperParameters(
  folder: string,
  runFolder: string,
  times: { began: number; ended: number | undefined },
): void {
  if (!existsSync(join(runFolder, "recipe.json"))) return;
  const write = (name: string, time: number, events: readonly Uint8Array[]) => {
    const file = join(folder, name);
    if (existsSync(file)) return;
    writeFileAtomic(file, Buffer.concat([encodeVersion(time), ...events].map((event) => frameRecord(event))));
  };
  const recipe = RunFolder.find(runFolder).readJson("recipe.json");
  const text = `\`\`\`json\n${JSON.stringify(recipe, null, 2)}\n\`\`\``;
  const { began, ended } = times;
  write(BEGIN_FILE, began, [encodeText(began, "recipe", text), encodeSessionStart(began, hyperParametersOf(recipe))]);
  if (ended !== undefined) write(END_FILE, ended, [encodeSessionEnd(ended)]);
}

/** A recipe's values by their keys, such as "mixup.alpha": numbers, booleans and texts, a list as one text. What is null is left out. */
export function hyperParametersOf(recipe: unknown, key = ""): Record<string, HyperParameter> {
  if (isObject(recipe)) {
    const inner = Object.entries(recipe).map(([name, value]) =>
      hyperParametersOf(value, key === "" ? name : `${key}.${name}`),
    );
    return Object.assign({}, ...inner);
  }
  if (recipe === null || recipe === undefined) return {};
  if (Array.isArray(recipe)) return recipe.length === 0 ? {} : { [key]: recipe.map(inWords).join(", ") };
  return { [key]: typeof recipe === "number" || typeof recipe === "boolean" ? recipe : String(recipe) };
}

/** Of a trick of one's own its name. */
function inWords(value: unknown): string {
  if (isObject(value)) return typeof value.name === "string" ? value.name : JSON.stringify(value);
  return String(value);
}
