import { InputError } from "../../../base/errors.js";
import { unreadText } from "../../photos/other-files.js";
import { photoName } from "../../photos/photo-locations.js";
import type { PhotoSet, PhotoSource } from "../../photos/photo-set.js";
import { classesOfLabel, imagesOfClasses } from "../../split.js";
import type { OpenOptions } from "../source.js";
import { oddLabels } from "../tables/class-labels.js";
import { withoutExcluded } from "./excluded.js";
import type { ListedPhotos } from "./photo-listing.js";
import { type PhotoParts, photoParts } from "./photo-parts.js";

/**
 * The photographs that a reader of some format found, divided as `split` says.
 *
 * @throws InputError where there are no pictures for training or none for validation, or all are of one class
 */
export function photoSource(
  all: ListedPhotos,
  { split: options = {}, held: earlier, alike, whole = false }: Pick<OpenOptions, "split" | "held" | "alike" | "whole">,
): PhotoSource {
  const listed = whole ? all : withoutExcluded(all, options.exclude);
  const { name, classes, labelSets, from, otherFiles, notes = [] } = listed;
  if (classes.length < 2 && !whole) {
    const only = classes.length === 1 ? `1 class, ${JSON.stringify(classes[0])}` : "no classes";
    throw new InputError(`${from} holds ${only}: two are needed`);
  }
  const unread = unreadText(otherFiles, listed.train.count + (listed.validation?.count ?? 0));
  const unequal = labelSets ? labelSetsText(listed) : unequalText(classes, listed.train);
  const { split, words, isChosen, unused, ...parts } = whole
    ? allMeasured(listed)
    : photoParts(listed, options, { held: earlier, alike });
  const set = (role: "train" | "validation" | "test", { of, indices }: PhotoParts["train"]): PhotoSet => {
    const { locations, labels } = of.select(indices);
    if (labels.length === 0 && !(whole && role === "train")) {
      if (split === "given" || of.count === 0) throw new InputError(`${from} holds no pictures for ${role}`);
      if (labelSets)
        throw new InputError(`${from} holds one picture: two are needed, one to train on and one to validate on`);
      // Measurements, or names of pictures, are taken for labels.
      throw new InputError(
        `${from} holds one picture of each of its ${classes.length} classes (${few(classes)}): two are needed, one to train on and one to validate on`,
      );
    }
    const several = labelSets && { labelSets };
    return { kind: "photos", name: `${name} ${role}`, count: labels.length, labels, classes, ...several, locations };
  };
  const [train, validation] = [set("train", parts.train), set("validation", parts.validation)];
  const test = parts.test && set("test", parts.test);
  const absent = whole ? [] : [absentText("training", train), absentText("validation", validation)];
  const said = [...words, ...notes, ...oddLabels(classes, labelSets !== undefined), unread, ...absent, unequal].filter(
    (note) => note !== undefined,
  );
  const counts = listOf([
    `${amount(train)} training`,
    `${amount(validation)} validation`,
    ...(test ? [`${amount(test)} test`] : []),
  ]);
  const description = `${name}: ${counts} photographs, ${classes.length} classes, from ${from}${said.map((note) => `; ${note}`).join("")}`;
  const held = isChosen ? { validation: namesOf(validation), test: test && namesOf(test), unused } : undefined;
  return { kind: "photos", train, validation, test, description, split, held, otherFiles };
}

/** To measure on: what is called so, or else all. */
function allMeasured({ train, validation, test }: ListedPhotos): PhotoParts {
  const nothing = { of: train, indices: new Uint32Array() };
  const parts =
    validation === undefined
      ? { train: nothing, validation: { of: train } }
      : { train: { of: train }, validation: { of: validation } };
  return { ...parts, test: test && { of: test }, split: "given", isChosen: false, words: [] };
}

function namesOf({ count, locations }: PhotoSet): string[] {
  return Array.from({ length: count }, (_, index) => photoName(locations, index));
}

function amount({ count }: PhotoSet): string {
  return count.toLocaleString("en");
}

/** "1 training, 2 validation and 3 test" */
function listOf(parts: readonly string[]): string {
  return new Intl.ListFormat("en-GB").format(parts);
}

/** From so many pictures of one class for each of another: a network that never says the other is right nearly always. */
const UNEQUAL = 10;

/** "no training pictures of 3 classes ("0", "2", "4")" */
function absentText(role: "training" | "validation", set: PhotoSet): string | undefined {
  const counts = imagesOfClasses(set);
  const absent = set.classes.filter((_, label) => counts[label] === 0);
  if (absent.length === 0) return undefined;
  return `no ${role} pictures of ${absent.length} class${absent.length === 1 ? "" : "es"} (${few(absent)})`;
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  return shown.join(", ") + (names.length > shown.length ? ", …" : "");
}

/** "any number of labels a picture, 1.8 on average, none for 12" */
function labelSetsText({ train, validation, labelSets }: ListedPhotos): string {
  const sizes = [train, ...(validation ? [validation] : [])].flatMap((listing) =>
    Array.from({ length: listing.count }, (_, at) => classesOfLabel(listing.label(at), labelSets).length),
  );
  const mean = sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length);
  const none = sizes.filter((size) => size === 0).length;
  return `any number of labels a picture, ${mean.toFixed(1)} on average${none > 0 ? `, none for ${none.toLocaleString("en")}` : ""}`;
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
