import sharp from "sharp";
import { type BatchSource, makeBatch } from "../data/loading/batch.js";
import { epochOrder } from "../data/sampling/epoch-order.js";
import { Loader } from "../data/loading/loader.js";
import { evenly, type GridRow, type GridTile, requirePng, writePictureGrid } from "../data/pictures/picture-grid.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { Split } from "../data/split.js";
import { seedFor } from "../tensor/random.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { drawMixup, type Mixup, mixup } from "../tricks/mixup.js";
import type { Recipe } from "../recipe/recipe.js";

const SAMPLES = 6;
/** The evaluation's view, then as many epochs. */
const EPOCHS = 7;
const COLUMNS = 1 + EPOCHS;
const BLEND_ROWS = 2;
/** Smaller images are enlarged by a whole number, larger ones shrunk. */
const [LEAST_TILE, MOST_TILE] = [112, 320];

/**
 * Writes a PNG of what the network sees of a training set, before normalising: for one sample of each class (six in all, fewer
 * only where there are fewer) the evaluation's view and seven epochs' training views; then, where the recipe has mixup, image 0
 * of sixteen steps. They are what training with this recipe is given, to the byte, but for images enlarged from below 112 pixels
 * or shrunk from above 320. A picture that cannot be read is a red tile.
 *
 * @param epoch the first epoch shown, from 0
 * @throws InputError where the file's name does not end in .png, or the augmentation does not fit the images; KnackError where the
 *   file cannot be written
 */
export async function writePreview(train: Split, recipe: Recipe, epoch: number, file: string): Promise<void> {
  requirePng("the preview", file);
  const preview = new Preview(train, recipe);
  const rows: GridRow[] = [];
  for (const index of samples(train)) rows.push(await preview.sampleRow(index, epoch));
  if (recipe.mixup) {
    for (let row = 0; row < BLEND_ROWS; row++) rows.push(await preview.blendRow(recipe.mixup, epoch, row));
  }
  await writePictureGrid(file, { tile: scaled(train), columns: COLUMNS, rows });
}

class Preview {
  readonly #training: BatchSource;
  readonly #stepsPerEpoch: number;
  readonly #batchSize: number;

  constructor(
    private readonly train: Split,
    private readonly recipe: Recipe,
  ) {
    const { augmentation, seed } = recipe;
    // No batch can be larger than the set.
    this.#batchSize = Math.min(recipe.batchSize, train.count);
    this.#training = { set: train, augmentation, seed };
    // Checks the augmentation against the images.
    this.#stepsPerEpoch = new Loader(train, {
      batchSize: this.#batchSize,
      augmentation,
      seed,
      workers: 0,
    }).batchesPerEpoch;
  }

  async sampleRow(index: number, epoch: number): Promise<GridRow> {
    const { train } = this;
    const evaluation: BatchSource = { ...this.#training, augmentation: undefined };
    const views = [
      { source: evaluation, epoch: 0, caption: "evaluation" },
      ...Array.from({ length: EPOCHS }, (_, i) => {
        return { source: this.#training, epoch: epoch + i, caption: `epoch ${epoch + i + 1}` };
      }),
    ];
    const tiles = views.map(async (view) =>
      this.#tile(await this.#image(view.source, view.epoch, index), [view.caption]),
    );
    const name = kindOf(train).nameOf(train, index) ?? `image ${index}`;
    return { label: [this.#className(index), name], tiles: await Promise.all(tiles) };
  }

  /** Image 0 of consecutive steps, with the lambda and the partner that the trainer draws for them. */
  async blendRow(settings: Mixup, epoch: number, row: number): Promise<GridRow> {
    const first = epoch * this.#stepsPerEpoch + row * COLUMNS;
    const tiles = Array.from({ length: COLUMNS }, (_, i) => this.#blend(settings, first + i));
    return { label: ["mixup", `alpha ${settings.alpha}`], tiles: await Promise.all(tiles) };
  }

  async #blend(settings: Mixup, step: number): Promise<GridTile> {
    const { seed, classBalance, accumulation } = this.recipe;
    const epoch = Math.floor(step / this.#stepsPerEpoch);
    const sampling = classBalance === "sampling" ? "balanced" : "shuffle";
    const start = (step % this.#stepsPerEpoch) * this.#batchSize;
    // Images are mixed within a part of the batch.
    const end = start + Math.max(1, Math.floor(this.#batchSize / accumulation));
    const part = epochOrder(this.train, sampling, seed, epoch).subarray(start, end);
    const draw = drawMixup(settings, seedFor(seed, "mixup", step, 0));
    const partner = scope(() => {
      const positions = Tensor.from(Float32Array.from(part.keys()), [part.length, 1]);
      // With lambda 0 only the partners are left.
      return mixup(positions, positions, settings, { ...draw, lambda: 0 }).images.toArray()[0] as number;
    });
    const [a, b] = [part[0] as number, part[partner] as number];
    const [one, other] = await Promise.all([a, b].map((index) => this.#image(this.#training, epoch, index)));
    const { lambda } = draw;
    const pixels =
      one && other && one.map((value, i) => Math.round(lambda * value + (1 - lambda) * (other[i] as number)));
    const share = (value: number, index: number) => `${value.toFixed(2)} ${this.#className(index)}`;
    return this.#tile(pixels, [share(lambda, a), share(1 - lambda, b)]);
  }

  /** An image as it is trained on in an epoch; undefined where it cannot be read. */
  async #image(source: BatchSource, epoch: number, index: number): Promise<Uint8Array | undefined> {
    const { pixels, bad } = await makeBatch(source, epoch, Uint32Array.of(index));
    return bad.length > 0 ? undefined : pixels;
  }

  async #tile(pixels: Uint8Array | undefined, caption: readonly string[]): Promise<GridTile> {
    if (pixels === undefined) return { picture: undefined, caption };
    const { height, width, channels } = this.train;
    const tile = scaled(this.train);
    const image = sharp(pixels, { raw: { height, width, channels } });
    const sized =
      tile.width === width
        ? image
        : image.resize({ ...tile, fit: "fill", kernel: tile.width > width ? "nearest" : "lanczos3" });
    return { picture: await sized.toColourspace("srgb").png({ compressionLevel: 1 }).toBuffer(), caption };
  }

  #className(index: number): string {
    return this.train.classes[this.train.labels[index] as number] as string;
  }
}

/** The first image of some classes, of few classes several. */
function samples({ labels, classes }: Split): number[] {
  const byClass = classes.map((): number[] => []);
  for (const [index, label] of labels.entries()) byClass[label]?.push(index);
  const shown = evenly(
    byClass.filter((indices) => indices.length > 0),
    SAMPLES,
  );
  return shown.flatMap((indices) => evenly(indices, Math.floor(SAMPLES / shown.length)));
}

function scaled({ height, width }: { height: number; width: number }): { height: number; width: number } {
  const [least, most] = [Math.min(height, width), Math.max(height, width)];
  if (least < LEAST_TILE) {
    const times = Math.ceil(LEAST_TILE / least);
    return { height: times * height, width: times * width };
  }
  const share = Math.min(1, MOST_TILE / most);
  return { height: Math.round(share * height), width: Math.round(share * width) };
}
