import { usableProcessors } from "../../base/limits.js";
import { packPhotos } from "../photos/packed-cache.js";
import { photoName, photoSize, readPhoto } from "../photos/photo-locations.js";
import { selectPhotos } from "../photos/photo-selection.js";
import type { FormattedPhotos, PhotoSet } from "../photos/photo-set.js";
import { InputError } from "../../base/errors.js";
import { isColours } from "../pictures/bands.js";
import { openPicture } from "../pictures/picture.js";
import type { DataKind } from "./kind.js";
import { photoBatch } from "./photo-batch.js";

/** How much larger than the input the copies' shorter side is: a crop of a fifth of the area then still has all its pixels. */
const CACHE_MARGIN = 16 / 7;

/** Photographs in files, which are read and brought to one size whenever they are seen. */
export const photographs: DataKind<PhotoSet> = {
  tag: "photos",
  defaultWorkers: () => Math.min(4, usableProcessors()),
  evaluationWorkers: (workers) => workers,
  nameOf: ({ locations }, index) => photoName(locations, index),
  identityOf: async ({ locations }, index) => `${photoName(locations, index)} ${await photoSize(locations, index)}`,
  inputFormat: (set: PhotoSet | FormattedPhotos) => ("evaluation" in set ? set : undefined),
  formatted(set, format, look): FormattedPhotos {
    const { height, width, channels, mean, std } = format;
    const evaluation = { ...look, size: [height, width], channels, mean } as const;
    return { ...set, height, width, channels, mean, std, evaluation };
  },
  evaluation: (split: FormattedPhotos) => split.evaluation,
  select: (set, indices) => ({ ...set, ...selectPhotos(set, indices), count: indices.length }),
  async cached(split, folder, shouldStop) {
    if (!isColours(split.channels)) {
      throw new InputError(
        `cache (--cache): copies are of colours, and these images have ${split.channels} channels; drop it`,
      );
    }
    const shorterSide = Math.round(Math.max(split.height, split.width) * CACHE_MARGIN);
    const { intensity } = (split as FormattedPhotos).evaluation;
    const { locations } = await packPhotos(split, folder, { shorterSide, intensity, shouldStop });
    return { ...split, locations };
  },
  async open(set: PhotoSet | FormattedPhotos, index) {
    const { intensity, channels } = "evaluation" in set ? set.evaluation : {};
    const { pipeline } = await openPicture(await readPhoto(set.locations, index), { intensity, channels });
    return { pipeline, pixelated: false };
  },
  // Whatever part of a photograph is taken, it is brought to the size wanted.
  requireFit: () => {},
  makeBatch: photoBatch,
};
