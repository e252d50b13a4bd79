import { mirror } from "../pictures/mirror.js";
import type { CropPlace } from "../pictures/resize.js";
import type { View } from "../pictures/views.js";
import type { ImageShape } from "../split.js";
import type { Batch, Loader } from "./loader.js";

/**
 * Batches of all images in several views: those of the first view, then the same ones in the second, and so on.
 *
 * @param loaders of the same images, for each place of a crop
 */
export async function* inViews(
  loaders: ReadonlyMap<CropPlace, Loader>,
  views: readonly View[],
  { width, channels }: ImageShape,
): AsyncGenerator<Batch> {
  const running = new Map([...loaders].map(([place, loader]) => [place, loader.all()]));
  for (;;) {
    const batches = new Map<CropPlace, Batch>();
    for (const [place, each] of running) {
      const { value, done } = await each.next();
      if (done) return;
      batches.set(place, value);
    }
    const seen = views.map((view) => {
      const batch = batches.get(view.place) as Batch;
      const { pixels } = batch;
      return { ...batch, pixels: view.mirrored ? mirror(Uint8Array.from(pixels), width, channels) : pixels };
    });
    const [first] = seen as [Batch, ...Batch[]];
    const labels = Int32Array.from(seen.flatMap((batch) => [...batch.labels]));
    yield { ...first, pixels: Buffer.concat(seen.map(({ pixels }) => pixels)), labels, size: labels.length };
  }
}
