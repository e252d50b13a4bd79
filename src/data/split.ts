/** Height, width and channels of one image. Its bytes lie in that order (HWC). */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** What turns pixels into a network's input. */
export interface InputFormat extends ImageShape {
  /** Per channel, on the 0..1 scale. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** One split of a data set: how many images, and what they show. Where the images are is for their kind to know (kinds/kinds.ts). */
export interface LabelledSet {
  /** For people: "fashion-mnist train". */
  readonly name: string;
  readonly count: number;
  /** [count] class indices, on a SharedArrayBuffer. */
  readonly labels: Int32Array;
  /** Class names; the label is the index. */
  readonly classes: readonly string[];
  /** Where an image may show several classes, or none: the sets of classes that occur. An image's label is then the index of its set. */
  readonly labelSets?: LabelSets | undefined;
}

/** Class indices, rising in each set. */
export type LabelSets = readonly (readonly number[])[];

/** The classes that stand for a label: it alone where an image shows one. */
export function classesOfLabel(label: number, labelSets: LabelSets | undefined): readonly number[] {
  return labelSets ? (labelSets[label] ?? []) : [label];
}

/** How many images show each class. */
export function imagesOfClasses({
  labels,
  classes,
  labelSets,
}: Pick<LabelledSet, "labels" | "classes" | "labelSets">): Uint32Array {
  const counts = new Uint32Array(classes.length);
  for (const label of labels)
    for (const each of classesOfLabel(label, labelSets)) counts[each] = (counts[each] as number) + 1;
  return counts;
}

/** What an image shows, for people: "cat", of several labels "cat, dog". */
export function labelText({ labels, classes, labelSets }: LabelledSet, index: number): string {
  const names = classesOfLabel(labels[index] as number, labelSets).map((label) => classes[label] as string);
  return names.length > 0 ? names.join(", ") : "no label";
}

/** One split as a network sees it: images of one size. Plain data, which goes to other threads as it is. */
export interface Split extends LabelledSet, InputFormat {}
