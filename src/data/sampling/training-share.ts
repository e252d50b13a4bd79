import type { DataSource } from "../image-set.js";
import { kindOf } from "../kinds/kinds.js";
import type { LabelledSet } from "../split.js";
import { stratifiedSplit } from "./stratified-split.js";

/** Fixed, so that every run on a share of a data set sees the same images. */
const SEED = 0;

/**
 * A data set of which only a share of each class's training images is trained on: always the same images, and those of a
 * smaller share are among those of a larger one. Validation images stay all there, and so does the normalisation by all training
 * images, so that networks trained on different shares fit each other as teacher and student.
 *
 * @param share above 0 and below 1
 */
export function trainOnShare<Source extends DataSource<LabelledSet>>(source: Source, share: number): Source {
  const train = shareOf(source.train, share);
  const description = `${source.description}; ${train.count.toLocaleString("en")} of the training images are used`;
  return { ...source, train, description };
}

function shareOf<Set extends LabelledSet>(set: Set, share: number): Set {
  const kind = kindOf(set);
  const items = {
    count: set.count,
    // Where images may have several labels, those with the smallest keys of all: of each set of labels there may be one.
    label: (index: number) => (set.labelSets ? 0 : (set.labels[index] as number)),
    name: (index: number) => kind.nameOf(set, index) ?? String(index),
  };
  // What that calls held out are the images of each class with the smallest keys.
  return kind.select(set, stratifiedSplit(items, share, SEED).validation);
}
