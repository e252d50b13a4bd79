import { type DataSource, type ImageSet, sharedBytes, sharedLabels } from "../image-set.js";
import { photoName } from "../sources/photo-locations.js";
import { selectPhotos } from "../sources/photo-selection.js";
import type { PhotoSet, PhotoSource } from "../sources/photo-set.js";
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
export function trainOnShare(source: DataSource | PhotoSource, share: number): DataSource | PhotoSource {
  if ("kind" in source) {
    const train = shareOfPhotos(source.train, share);
    return { ...source, train, description: described(source.description, train.count) };
  }
  const train = shareOfImages(source.train, share);
  return { ...source, train, description: described(source.description, train.count) };
}

function described(description: string, count: number): string {
  return `${description}; ${count.toLocaleString("en")} of the training images are used`;
}

function shareOfImages(set: ImageSet, share: number): ImageSet {
  const indices = chosen(set, String, share);
  const bytes = set.height * set.width * set.channels;
  const pixels = sharedBytes(indices.length * bytes);
  const labels = sharedLabels(indices.length);
  for (const [to, from] of indices.entries()) {
    pixels.set(set.pixels.subarray(from * bytes, (from + 1) * bytes), to * bytes);
    labels[to] = set.labels[from] as number;
  }
  return { ...set, pixels, labels, count: indices.length };
}

function shareOfPhotos(set: PhotoSet, share: number): PhotoSet {
  const indices = chosen(set, (index) => photoName(set.locations, index), share);
  return { ...set, ...selectPhotos(set, indices), count: indices.length };
}

function chosen(set: ImageSet | PhotoSet, name: (index: number) => string, share: number): Uint32Array {
  const items = { count: set.count, label: (index: number) => set.labels[index] as number, name };
  // What that calls held out are the images of each class with the smallest keys.
  return stratifiedSplit(items, share, SEED).validation;
}
