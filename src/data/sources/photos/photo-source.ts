import { InputError } from "../../../base/errors.js";
import { unreadText } from "../../photos/other-files.js";
import type { PhotoSet, PhotoSource } from "../../photos/photo-set.js";
import { stratifiedSplit } from "../../sampling/stratified-split.js";
import type { OpenOptions } from "../source.js";
import { oddLabels } from "../tables/class-labels.js";
import type { ListedPhotos } from "./photo-listing.js";

/**
 * The photographs that a reader of some format found. Where they have no split of their own, `split` holds some of each class out for
 * validation.
 *
 * @throws InputError where there are no pictures for training or none for validation, or all are of one class
 */
export function photoSource(
  { name, classes, from, otherFiles, notes = [], ...listed }: ListedPhotos,
  { split = { fraction: 0.2, seed: 0 }, whole = false }: Pick<OpenOptions, "split" | "whole">,
): PhotoSource {
  if (classes.length < 2 && !whole) {
    const only = classes.length === 1 ? `1 class, ${JSON.stringify(classes[0])}` : "no classes";
    throw new InputError(`${from} holds ${only}: two are needed`);
  }
  const unread = unreadText(otherFiles, listed.train.count + (listed.validation?.count ?? 0));
  const unequal = unequalText(classes, listed.train);
  const given = listed.validation !== undefined;
  const chosen = given
    ? undefined
    : whole
      ? allMeasured(listed.train)
      : stratifiedSplit(listed.train, split.fraction, split.seed);
  const set = (role: "train" | "validation", listing = listed.train): PhotoSet => {
    const { locations, labels } = listing.select(chosen?.[role]);
    if (labels.length === 0 && !(whole && role === "train")) {
      if (given || listing.count === 0) throw new InputError(`${from} holds no pictures for ${role}`);
      // Measurements, or names of pictures, are taken for labels.
      throw new InputError(
        `${from} holds one picture of each of its ${classes.length} classes (${few(classes)}): two are needed, one to train on and one to validate on`,
      );
    }
    return { kind: "photos", name: `${name} ${role}`, count: labels.length, labels, classes, locations };
  };
  const [train, validation] = [set("train"), set("validation", listed.validation)];
  const absent = whole ? [] : [absentText("training", train), absentText("validation", validation)];
  const said = [...notes, ...oddLabels(classes), unread, ...absent, unequal].filter((note) => note !== undefined);
  const percent = `${Math.round(100 * split.fraction)} %`;
  const held = given || whole ? "" : `; ${percent} of each class held out for validation, seed ${split.seed}`;
  const description =
    `${name}: ${train.count.toLocaleString("en")} training and ${validation.count.toLocaleString("en")} validation ` +
    `photographs, ${classes.length} classes, from ${from}${held}${said.map((note) => `; ${note}`).join("")}`;
  return { kind: "photos", train, validation, description, split: given || whole ? "given" : split, otherFiles };
}

function allMeasured({ count }: ListedPhotos["train"]) {
  return { train: new Uint32Array(), validation: Uint32Array.from({ length: count }, (_, at) => at) };
}

/** From so many pictures of one class for each of another: a network that never says the other is right nearly always. */
const UNEQUAL = 10;

/** "no training pictures of 3 classes ("0", "2", "4")" */
function absentText(role: "training" | "validation", { classes, labels }: PhotoSet): string | undefined {
  const seen = new Set(labels);
  const absent = classes.filter((_, label) => !seen.has(label));
  if (absent.length === 0) return undefined;
  return `no ${role} pictures of ${absent.length} class${absent.length === 1 ? "" : "es"} (${few(absent)})`;
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  return shown.join(", ") + (names.length > shown.length ? ", …" : "");
}

/** "there are 99 pictures of "ant" for each of "bee": look at each class's accuracy, not at top-1 alone" */
function unequalText(classes: readonly string[], train: ListedPhotos["train"]): string | undefined {
  const counts = new Float64Array(classes.length);
  for (let i = 0; i < train.count; i++) counts[train.label(i)] = (counts[train.label(i)] as number) + 1;
  const [most, least] = [Math.max(...counts), Math.min(...counts.filter((count) => count > 0))];
  if (!(most >= UNEQUAL * least)) return undefined;
  const [common, rare] = [most, least].map((count) => JSON.stringify(classes[counts.indexOf(count)]));
  return `there are ${Math.round(most / least)} pictures of ${common} for each of ${rare}: look at each class's accuracy, not at top-1 alone (--class-balance)`;
}
