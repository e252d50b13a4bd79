import { range } from "../../settings/schema.js";
import type { Random } from "../../tensor/random.js";
import type { CropBox } from "../pictures/picture-shape.js";
import type { Augmenter, PhotoShape, Settings } from "./augmenter.js";

const TRIES = 10;

const settings = {
  /** Share of the picture's area that is cropped, from and to. */
  scale: range("the smallest and the largest share of the picture, 0 < min <= max <= 1", 1),
  /** Width / height of the crop, from and to; 1 is the right shape: the input's, or the picture's own where the whole becomes the input. */
  ratio: range("the smallest and the largest width / height, 0 < min <= max", Number.POSITIVE_INFINITY),
};

/** Photographs are cropped at random, as in the paper's training (section 2.1). */
export const resizedCrop: Augmenter<typeof settings> = {
  settings,
  defaults: { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
  switches: [
    {
      flags: "--scale <min,max>",
      help: "photographs: share of the picture that a random crop takes",
      key: "augmentation.scale",
      reads: "numbers",
    },
    {
      flags: "--ratio <min,max>",
      help: "photographs: width / height of a random crop; 1 is the input's, with pad and squash the picture's own",
      key: "augmentation.ratio",
      reads: "numbers",
    },
  ],
  photograph(change, settings, random, picture) {
    change.crop = randomResizedCrop(picture, settings, random);
  },
};

/**
 * A random part of a picture: a share of its area from `scale` and a width / height from `ratio`, uniform on a log scale; after ten
 * that do not fit, the largest centred part within `ratio`. torchvision's RandomResizedCrop, where `ratio` is that of a square input;
 * the paper's has 8 to 100 % and 3/4 to 4/3 (section 2.1).
 */
export function randomResizedCrop(
  { height, width, aspect: right = 1 }: PhotoShape,
  { scale, ratio }: Settings<typeof settings>,
  random: Random,
): CropBox {
  const between = ([least, most]: readonly [number, number]) => least + (most - least) * random.uniform();
  for (let i = 0; i < TRIES; i++) {
    const area = height * width * between(scale);
    const aspect = right * Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])]));
    const box = { width: Math.round(Math.sqrt(area * aspect)), height: Math.round(Math.sqrt(area / aspect)) };
    if (box.width < 1 || box.height < 1 || box.width > width || box.height > height) continue;
    return { ...box, top: random.integer(height - box.height + 1), left: random.integer(width - box.width + 1) };
  }
  const aspect = Math.min(right * ratio[1], Math.max(right * ratio[0], width / height));
  const box =
    width / height < aspect
      ? { width, height: Math.min(height, Math.max(1, Math.round(width / aspect))) }
      : { width: Math.min(width, Math.max(1, Math.round(height * aspect))), height };
  return { ...box, top: (height - box.height) >> 1, left: (width - box.width) >> 1 };
}
