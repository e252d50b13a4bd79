import type { Random } from "../../tensor/random.js";
import type { CropBox, PictureSize } from "../pictures/resample.js";

const TRIES = 10;

/**
 * A random part of a picture: a share of its area from `scale` and a width / height from `ratio`, uniform on a log scale; after ten
 * that do not fit, the largest centred part within `ratio`. torchvision's RandomResizedCrop; the paper's has 8 to 100 % and 3/4 to 4/3
 * (section 2.1).
 */
export function randomResizedCrop(
  { height, width }: PictureSize,
  { scale, ratio }: { scale: readonly [number, number]; ratio: readonly [number, number] },
  random: Random,
): CropBox {
  const between = ([least, most]: readonly [number, number]) => least + (most - least) * random.uniform();
  for (let i = 0; i < TRIES; i++) {
    const area = height * width * between(scale);
    const aspect = Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])]));
    const box = { width: Math.round(Math.sqrt(area * aspect)), height: Math.round(Math.sqrt(area / aspect)) };
    if (box.width < 1 || box.height < 1 || box.width > width || box.height > height) continue;
    return { ...box, top: random.integer(height - box.height + 1), left: random.integer(width - box.width + 1) };
  }
  const aspect = Math.min(ratio[1], Math.max(ratio[0], width / height));
  const box =
    width / height < aspect
      ? { width, height: Math.min(height, Math.max(1, Math.round(width / aspect))) }
      : { width: Math.min(width, Math.max(1, Math.round(height * aspect))), height };
  return { ...box, top: (height - box.height) >> 1, left: (width - box.width) >> 1 };
}
