/** What a run was trained on, so that it does not go on with something else: `data.json` has it, a class a line. */
import { createHash } from "node:crypto";
import { kindOf } from "../data/kinds/kinds.js";
import { classesOfLabel, type LabelledSet } from "../data/split.js";
import type { Difference } from "../recipe/differences.js";
import { z } from "../settings/zod.js";

/** Images of one class: how many, and a SHA-256 of what tells each from others, in order. */
const imagesSchema = z.strictObject({ images: z.int().min(0), sha256: z.string() });

const classSchema = z.strictObject({ name: z.string(), train: imagesSchema, validation: imagesSchema });

export type TrainedClass = z.infer<typeof classSchema>;

/** Names and sizes of photographs that are asked for at a time. */
const AT_ONCE = 256;

/** The classes of a data source: their names in order, and their images. */
export async function classesOf(sets: Readonly<Record<"train" | "validation", LabelledSet>>): Promise<TrainedClass[]> {
  const [train, validation] = [await imagesOf(sets.train), await imagesOf(sets.validation)];
  const none = { images: 0, sha256: "" };
  return namesOf(sets.train).map((name, label) => {
    return { name, train: train[label] ?? none, validation: validation[label] ?? none };
  });
}

/** Images without a label are told as if they were of a last class. */
function namesOf({ classes, labelSets }: LabelledSet): readonly string[] {
  return labelSets?.some((labels) => labels.length === 0) ? [...classes, "(no label)"] : classes;
}

async function imagesOf(set: LabelledSet): Promise<TrainedClass["train"][]> {
  const kind = kindOf(set);
  const classes = namesOf(set).map(() => ({ images: 0, hash: createHash("sha256") }));
  for (let start = 0; start < set.count; start += AT_ONCE) {
    const size = Math.min(AT_ONCE, set.count - start);
    const identities = await Promise.all(Array.from({ length: size }, (_, i) => kind.identityOf(set, start + i)));
    for (const [i, identity] of identities.entries()) {
      const shown = classesOfLabel(set.labels[start + i] as number, set.labelSets);
      for (const label of shown.length > 0 ? shown : [set.classes.length]) {
        const of = classes[label];
        if (of === undefined) continue;
        of.images++;
        of.hash.update(identity).update("\0");
      }
    }
  }
  return classes.map(({ images, hash }) => ({ images, sha256: hash.digest("hex") }));
}

/** What `data.json` says; undefined where an earlier version wrote it. */
export function parseClasses(saved: unknown): TrainedClass[] | undefined {
  return z.array(classSchema).safeParse(saved).data;
}

/** How the data differ from those that a run was trained on, a line for each class. */
export function dataDifferences(was: readonly TrainedClass[], is: readonly TrainedClass[]): Difference[] {
  const names = (classes: readonly TrainedClass[]) => classes.map(({ name }) => name);
  const [before, now] = [names(was), names(is)];
  const found: Difference[] = [];
  if (before.join("\0") !== now.join("\0")) found.push({ place: "classes", ...namesThatDiffer(before, now) });
  for (const { name, ...sets } of was) {
    const same = is.find((each) => each.name === name);
    if (same === undefined) continue;
    for (const part of ["train", "validation"] as const) {
      const [a, b] = [sets[part], same[part]];
      if (a.sha256 === b.sha256 && a.images === b.images) continue;
      const others = a.images === b.images ? " others" : "";
      const word = part === "train" ? "training" : "validation";
      found.push({
        place: `${word} images of class ${JSON.stringify(name)}`,
        was: a.images,
        is: `${b.images}${others}`,
      });
    }
  }
  return found;
}

/** Of many classes only those at whose place there is another now. */
function namesThatDiffer(before: readonly string[], now: readonly string[]) {
  const length = Math.max(before.length, now.length);
  const places = Array.from({ length }, (_, label) => label).filter((label) => before[label] !== now[label]);
  const shown = (names: readonly string[]) => {
    const some = places.slice(0, 5).map((label) => names[label] ?? "none");
    return some.join(", ") + (places.length > some.length ? ", …" : "");
  };
  return { was: shown(before), is: shown(now) };
}
