import { viewOf } from "../data/pictures/bands.js";
import { type BatchSource, makeBatch } from "../data/loading/batch.js";
import { epochOrder } from "../data/sampling/epoch-order.js";
import { Loader } from "../data/loading/loader.js";
import { evenly, type GridRow, type GridTile, requirePng, writePictureGrid } from "../data/pictures/picture-grid.js";
import { kindOf } from "../data/kinds/kinds.js";
import { classesOfLabel, labelText, type Split } from "../data/split.js";
import { contiguous, full, narrow, permute } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { isObject } from "../settings/schema.js";
import { TRICKS } from "../tricks/index.js";
import { loadOwnTricks } from "../tricks/own-trick.js";
import { plannedRun } from "../tricks/planned-run.js";
import { RunningTricks } from "../tricks/running-tricks.js";
import { settingsOf, titleOf, type Trick } from "../tricks/trick.js";
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
 * only where there are fewer) the evaluation's view and seven epochs' training views; then, where tricks of the recipe change batches,
 * image 0 of sixteen steps. They are what training with this recipe is given, to the byte, but for images enlarged from below 112 pixels
 * or shrunk from above 320. A picture that cannot be read is a red tile.
 *
 * @param epoch the first epoch shown, from 0
 * @throws InputError where the file's name does not end in .png, or the augmentation does not fit the images; KnackError where the
 *   file cannot be written
 */
export async function writePreview(train: Split, recipe: Recipe, epoch: number, file: string): Promise<void> {
  requirePng("the preview", file);
  const preview = new Preview(train, recipe, await loadOwnTricks(recipe.tricks));
  const rows: GridRow[] = [];
  for (const index of samples(train)) rows.push(await preview.sampleRow(index, epoch));
  if (preview.changesBatches) {
    for (let row = 0; row < BLEND_ROWS; row++) rows.push(await preview.batchRow(epoch, row));
  }
  await writePictureGrid(file, { tile: scaled(train), columns: COLUMNS, rows });
}

class Preview {
  readonly #training: BatchSource;
  readonly #stepsPerEpoch: number;
  readonly #batchSize: number;
  readonly #tricks: RunningTricks;
  readonly #changing: readonly Trick[];

  constructor(
    private readonly train: Split,
    private readonly recipe: Recipe,
    own: readonly Trick[],
  ) {
    const { augmentation, seed } = recipe;
    // No batch can be larger than the set.
    this.#batchSize = Math.min(recipe.batchSize, train.count);
    this.#training = { set: train, augmentation, seed };
    const run = plannedRun(recipe, Math.floor(train.count / this.#batchSize), train);
    this.#tricks = new RunningTricks([...TRICKS, ...own], run);
    this.#changing = this.#tricks.actingAt("batch");
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

  /** Whether a trick mixes or changes the images of a batch. */
  get changesBatches(): boolean {
    return this.#changing.length > 0;
  }

  /** Image 0 of consecutive steps, as the recipe's tricks change it for them. */
  async batchRow(epoch: number, row: number): Promise<GridRow> {
    const first = epoch * this.#stepsPerEpoch + row * COLUMNS;
    const tiles = Array.from({ length: COLUMNS }, (_, i) => () => this.#batchTile(first + i));
    const label = this.#changing.flatMap((trick) => [titleOf(trick), ...numbersOf(settingsOf(trick, this.recipe))]);
    const shown: GridTile[] = [];
    for (const tile of tiles) shown.push(await tile()); // one after the other: a step's images at full size take memory
    return { label, tiles: shown };
  }

  /** Image 0 of a step's first part. Which images are in it, and with which shares, its target says where each image is a class by itself. */
  async #batchTile(step: number): Promise<GridTile> {
    const { seed, accumulation } = this.recipe;
    const { height, width, channels } = this.train;
    const epoch = Math.floor(step / this.#stepsPerEpoch);
    const start = (step % this.#stepsPerEpoch) * this.#batchSize;
    // Tricks act within a part of the batch.
    const end = start + Math.max(1, Math.floor(this.#batchSize / accumulation));
    const part = epochOrder(this.train, this.#tricks.sampling, seed, epoch).subarray(start, end);
    const shares = scope(() => {
      const alone = Float32Array.from({ length: part.length ** 2 }, (_, i) => (i % (part.length + 1) === 0 ? 1 : 0));
      const targets = Tensor.from(alone, [part.length, part.length]);
      const images = full([part.length, 1, height, width], 0);
      return narrow(this.#tricks.batch({ images, targets, shares: targets }, step, 0).targets, 0, 0, 1).toArray();
    });
    const seen = Array.from(shares, (share, position) => ({ share, position })).filter(({ share }) => share > 0);
    seen.sort((a, b) => (a.position === 0 ? -1 : b.position === 0 ? 1 : a.position - b.position));
    const pictures = await Promise.all(
      seen.map(({ position }) => this.#image(this.#training, epoch, part[position] as number)),
    );
    const caption = seen.map(
      ({ share, position }) => `${share.toFixed(2)} ${this.#className(part[position] as number)}`,
    );
    if (pictures.includes(undefined)) return this.#tile(undefined, caption);
    const changed = scope(() => {
      const bytes = new Float32Array(part.length * height * width * channels);
      for (const [i, { position }] of seen.entries()) {
        bytes.set(pictures[i] as Uint8Array, position * height * width * channels);
      }
      const images = permute(Tensor.from(bytes, [part.length, height, width, channels]), [0, 3, 1, 2]);
      const targets = full([part.length, 1], 1);
      const batch = this.#tricks.batch({ images, targets, shares: targets }, step, 0);
      return contiguous(permute(narrow(batch.images, 0, 0, 1), [0, 2, 3, 1]), "contiguous").toArray();
    });
    return this.#tile(
      Uint8Array.from(changed, (value) => Math.round(Math.min(255, Math.max(0, value)))),
      caption,
    );
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
    const image = viewOf({ pixels, height, width, channels });
    const sized =
      tile.width === width
        ? image
        : image.resize({ ...tile, fit: "fill", kernel: tile.width > width ? "nearest" : "lanczos3" });
    return { picture: await sized.toColourspace("srgb").png({ compressionLevel: 1 }).toBuffer(), caption };
  }

  #className(index: number): string {
    return labelText(this.train, index);
  }
}

/** The first image of some classes, of few classes several; of several labels the first counts. */
function samples({ labels, classes, labelSets }: Split): number[] {
  const byClass = classes.map((): number[] => []);
  for (const [index, label] of labels.entries()) byClass[classesOfLabel(label, labelSets)[0] ?? -1]?.push(index);
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

/** The numbers among a trick's settings: "alpha 0.2". */
function numbersOf(settings: object): string[] {
  const inner = Object.values(settings).flatMap((value) => (isObject(value) ? Object.entries(value) : []));
  return inner.flatMap(([name, value]) => (typeof value === "number" ? [`${name} ${value}`] : []));
}
