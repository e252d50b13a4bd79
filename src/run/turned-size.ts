import { InputError } from "../base/errors.js";
import { spread } from "../data/photos/cut-jpegs.js";
import { readPhoto } from "../data/photos/photo-locations.js";
import type { FormattedPhotos } from "../data/photos/photo-set.js";
import { openPicture } from "../data/pictures/picture.js";
import type { Split } from "../data/split.js";
import { sizeText } from "../settings/image-size.js";
import type { WarningEvent } from "./events.js";

/** Pictures that are looked at, spread over the set. */
const LOOKED_AT = 32;
const MOST = 3 / 4;

/** A warning where photographs are brought to a size that lies while nearly all of them stand, or the other way: height and width may have been mixed up. */
export async function* turnedSize(train: Split): AsyncGenerator<WarningEvent> {
  const { height, width } = train;
  if (height === width || !("kind" in train) || train.kind !== "photos") return;
  const { intensity, channels } = (train as FormattedPhotos).evaluation;
  let [seen, turned] = [0, 0];
  for (const [set, index] of spread([train as FormattedPhotos], Math.max(1, train.count / LOOKED_AT))) {
    try {
      const picture = await openPicture(await readPhoto(set.locations, index), { intensity, channels });
      seen++;
      if ((picture.height - picture.width) * (height - width) < 0) turned++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  if (seen === 0 || turned < MOST * seen) return;
  const [are, is] = height > width ? ["wider than high", "higher than wide"] : ["higher than wide", "wider than high"];
  const message = `most of these photographs are ${are}, and --image-size ${height}x${width} is ${is}: ${sizeText(height, width)}`;
  yield { type: "warning", message };
}
