import { className } from "../base/class-name.js";
import { InputError } from "../base/errors.js";
import { kindOf } from "../data/kinds/kinds.js";
import { imagesOfClasses, type LabelledSet } from "../data/split.js";
import { sharedLabels } from "../data/image-set.js";

/** A set whose labels are a model's. */
export interface MatchedSet {
  readonly set: LabelledSet;
  /** Images left out, since their class is none of the model's. */
  readonly ignored: number;
  /** Whether classes were matched by number, since one side knows no names. */
  readonly byNumber: boolean;
}

/**
 * A set with its labels as a model's classes are numbered: matched by name, or by number where one side knows numbers only. Of the model's
 * classes some may be missing in the set.
 *
 * @param classes the model's
 * @param ignoreUnknown whether images of classes that the model does not know are left out; of several labels those labels
 * @throws InputError where they are not, or nothing would be left
 */
export function matchClasses(
  path: string,
  classes: readonly string[],
  set: LabelledSet,
  ignoreUnknown: boolean,
): MatchedSet {
  const own = new Map(classes.map((name, label) => [className(name), label]));
  const known = set.classes.map((name) => own.get(className(name)));
  // Of MNIST's form only numbers are known, which then stand for the names.
  const byNumber =
    classes.length === set.classes.length &&
    known.every((label) => label === undefined) &&
    (areNumbers(classes) || areNumbers(set.classes));
  const labels = byNumber ? set.classes.map((_, label) => label) : known;
  if (labels.every((label, at) => label === at) && set.classes.length === classes.length)
    return { set, ignored: 0, byNumber };

  const counts = imagesOfClasses(set);
  const unknown = set.classes.filter((_, label) => labels[label] === undefined && counts[label] !== 0);
  const [names, those] = [list(unknown), list(classes)];
  if (unknown.length > 0 && (!ignoreUnknown || labels.every((label) => label === undefined))) {
    const hint = labels.every((label) => label === undefined) ? "" : "; leave them out by --ignore-unknown-classes";
    throw new InputError(
      `${path} does not fit ${set.name}: it does not know the class${unknown.length > 1 ? "es" : ""} ${names}, but ${those}${hint}`,
    );
  }
  if (set.labelSets) {
    const known = set.labelSets.map((shown) => shown.flatMap((label) => labels[label] ?? []).sort((a, b) => a - b));
    return { set: { ...set, labelSets: known, classes }, ignored: 0, byNumber };
  }
  const kept = Uint32Array.from(set.labels.keys()).filter((at) => labels[set.labels[at] as number] !== undefined);
  const selected = kept.length === set.count ? set : kindOf(set).select(set, kept);
  const relabelled = sharedLabels(selected.count);
  for (const [at, label] of selected.labels.entries()) relabelled[at] = labels[label] as number;
  return { set: { ...selected, labels: relabelled, classes }, ignored: set.count - kept.length, byNumber };
}

/** The classes of which no set has an image. */
export function absentClasses(classes: readonly string[], sets: readonly LabelledSet[]): string[] {
  const counts = sets.map((set) => imagesOfClasses(set));
  return classes.filter((_, label) => counts.every((images) => images[label] === 0));
}

function areNumbers(classes: readonly string[]): boolean {
  return classes.every((name, label) => name === String(label));
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  return shown.join(", ") + (names.length > 5 ? `, … (${names.length})` : "");
}
