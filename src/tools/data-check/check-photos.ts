import { imagesOfClasses, labelText } from "../../data/split.js";
import { createHash } from "node:crypto";
import { refuseLack } from "../../base/lack.js";
import { usableProcessors } from "../../base/limits.js";
import { photoName, readPhoto, UnreadablePhoto } from "../../data/photos/photo-locations.js";
import type { OtherFiles } from "../../data/photos/other-files.js";
import { type DeepPictures, deepPictures, intensityOption, lossText } from "../../data/photos/deep-pictures.js";
import type { PhotoSource } from "../../data/photos/photo-set.js";
import { type Intensity, short } from "../../data/pictures/deep-picture.js";
import { openPicture, readPixels } from "../../data/pictures/picture.js";

/** A training run refuses a source of which more than this share is unreadable. */
const MOST_UNREADABLE = 0.05;
/** Largest class to smallest from which balancing is worth thinking about. */
const UNEVEN = 3;

export type SplitName = "train" | "validation";

/** What `checkPhotos` found; plain JSON. */
export interface PhotoReport {
  readonly description: string;
  readonly split: PhotoSource["split"];
  /** Readable or not. */
  readonly pictures: Record<SplitName, number>;
  readonly classes: readonly ({ readonly name: string } & Record<SplitName, number>)[];
  /** Of the readable pictures, upright; null where there are none. */
  readonly sizes: { readonly width: Spread; readonly height: Spread; readonly megapixels: Spread } | null;
  /** Readable pictures by what they are, whatever their names end in: { "jpeg": 850 }. */
  readonly formats: Readonly<Record<string, number>>;
  readonly unreadable: readonly { readonly name: string; readonly split: SplitName; readonly reason: string }[];
  /** JPEG files that lack their end, but hardly anything of the picture: they are used. */
  readonly mended: readonly string[];
  /** Pictures of more than 8 bits: how many, their least and largest number, and what they would be without --intensity. */
  readonly deep: Pick<DeepPictures, "count" | "range" | "lost"> | null;
  /** Groups of pictures whose files are the same byte by byte. */
  readonly duplicates: readonly PictureGroup[];
  /** Groups of pictures that look alike, though their files are not all the same. */
  readonly alike: readonly PictureGroup[];
  /** Training pictures of the largest and the smallest class. */
  readonly imbalance: { readonly largest: string; readonly smallest: string; readonly ratio: number };
  readonly otherFiles: OtherFiles;
  /** What must be mended before training, one line each. */
  readonly problems: readonly string[];
  /** What is worth a thought, one line each. */
  readonly advice: readonly string[];
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface PictureGroup {
  readonly pictures: readonly { readonly name: string; readonly split: SplitName; readonly class: string }[];
  /** One picture, several classes. */
  readonly labelConflict: boolean;
  /** Both in training and in validation: the validation figures are too good. */
  readonly leak: boolean;
}

export interface CheckOptions {
  /** What is black and white in pictures of more than 8 bits. */
  readonly intensity?: Intensity | undefined;
  /** Of pictures that look like others a number of their group, by name. */
  readonly alike?: ReadonlyMap<string, number> | undefined;
  /** Called after each picture with how many are done. */
  readonly seen?: (done: number) => void;
}

/** Reads and decodes every picture of a source, as training would, and says what is wrong with it. */
export async function checkPhotos(
  source: PhotoSource,
  { intensity, alike = new Map(), seen = () => {} }: CheckOptions = {},
): Promise<PhotoReport> {
  const deep = await deepPictures([source.train, source.validation]);
  const found = new Findings(source, deep, intensity, alike);
  const splits = ["train", "validation"] as const;
  const pictures = function* () {
    for (const split of splits) for (let index = 0; index < source[split].count; index++) yield { split, index };
  };
  const queue = pictures();
  let done = 0;
  const lane = async () => {
    for (const { split, index } of queue) {
      await found.look(split, index);
      seen(++done);
    }
  };
  // Each lane decodes in one of libuv's threads; the next reads meanwhile.
  await Promise.all(Array.from({ length: usableProcessors() + 1 }, lane));
  return found.report();
}

class Findings {
  readonly #widths: Uint32Array;
  readonly #heights: Uint32Array;
  readonly #formats: Record<string, number> = {};
  readonly #unreadable: { name: string; split: SplitName; reason: string; at: number }[] = [];
  readonly #mended: { name: string; at: number }[] = [];
  /** Content hash to the places that have it; a lone place, as nearly all are, is kept as a number. */
  readonly #contents = new Map<string, number | number[]>();

  /** What pictures of more than 8 bits are looked at with: what is lost without it is told once, of all. */
  readonly #intensity: Intensity | undefined;

  constructor(
    private readonly source: PhotoSource,
    private readonly deep: DeepPictures | undefined,
    private readonly asked: Intensity | undefined,
    private readonly alike: ReadonlyMap<string, number>,
  ) {
    const { lost, range, natural } = deep ?? {};
    this.#intensity = asked ?? (lost !== undefined && range ? [range.min, range.max] : natural);
    const count = source.train.count + source.validation.count;
    this.#widths = new Uint32Array(count);
    this.#heights = new Uint32Array(count);
  }

  async look(split: SplitName, index: number): Promise<void> {
    const { locations } = this.source[split];
    const at = split === "train" ? index : this.source.train.count + index;
    try {
      const bytes = await readPhoto(locations, index);
      // Empty files are no duplicates of each other: they are no pictures.
      if (bytes.length > 0) this.#remember(createHash("sha256").update(bytes).digest("base64"), at);
      const picture = await openPicture(bytes, { intensity: this.#intensity });
      await readPixels(picture);
      const format = picture.format.toLowerCase();
      this.#formats[format] = (this.#formats[format] ?? 0) + 1;
      if (picture.mended) this.#mended.push({ name: photoName(locations, index), at });
      this.#widths[at] = picture.width;
      this.#heights[at] = picture.height;
    } catch (error) {
      refuseLack(error);
      this.#unreadable.push({ name: photoName(locations, index), split, reason: reasonOf(error), at });
    }
  }

  report(): PhotoReport {
    const { train, validation, description, split, otherFiles } = this.source;
    const counts = { train: imagesOfClasses(train), validation: imagesOfClasses(validation) };
    const classes = train.classes.map((name, label) => ({
      name,
      train: counts.train[label] as number,
      validation: counts.validation[label] as number,
    }));
    const bySize = classes.filter((entry) => entry.train > 0).sort((a, b) => b.train - a.train);
    const [largest, smallest] = [bySize[0], bySize.at(-1)] as [(typeof bySize)[0], (typeof bySize)[0]];
    const facts = {
      description,
      split,
      pictures: { train: train.count, validation: validation.count },
      classes,
      sizes: this.#sizes(),
      formats: Object.fromEntries(Object.entries(this.#formats).sort(([, a], [, b]) => b - a)),
      // Lanes end in any order; a report is the same each time.
      unreadable: this.#unreadable
        .sort((a, b) => a.at - b.at)
        .map(({ name, split, reason }) => ({ name, split, reason })),
      mended: this.#mended.sort((a, b) => a.at - b.at).map(({ name }) => name),
      deep: this.#deep(),
      duplicates: this.#duplicates().map((places) => this.#group(places)),
      alike: this.#alike(),
      imbalance: { largest: largest.name, smallest: smallest.name, ratio: largest.train / smallest.train },
      otherFiles,
    };
    return { ...facts, ...judge(facts) };
  }

  #deep(): PhotoReport["deep"] {
    if (this.deep === undefined) return null;
    const { count, range, lost } = this.deep;
    return { count, range, lost: this.asked ? undefined : lost };
  }

  #remember(hash: string, at: number): void {
    const before = this.#contents.get(hash);
    if (before === undefined) this.#contents.set(hash, at);
    else if (typeof before === "number") this.#contents.set(hash, [before, at]);
    else before.push(at);
  }

  #sizes(): PhotoReport["sizes"] {
    const readable = Uint32Array.from(this.#widths.keys()).filter((at) => this.#widths[at] !== 0);
    if (readable.length === 0) return null;
    const spread = (value: (at: number) => number): Spread => {
      const sorted = Float64Array.from(readable, value).sort();
      const at = (place: number) => sorted[place] as number;
      return { min: at(0), median: at((sorted.length - 1) >> 1), max: at(sorted.length - 1) };
    };
    const width = (at: number) => this.#widths[at] as number;
    const height = (at: number) => this.#heights[at] as number;
    return { width: spread(width), height: spread(height), megapixels: spread((at) => (width(at) * height(at)) / 1e6) };
  }

  #duplicates(): number[][] {
    return [...this.#contents.values()]
      .filter((places) => typeof places !== "number")
      .map((places) => places.sort((a, b) => a - b))
      .sort(([a = 0], [b = 0]) => a - b);
  }

  /** Those of one file count once: they are duplicates. */
  #alike(): PictureGroup[] {
    const files = new Map(this.#duplicates().flatMap(([first, ...others]) => others.map((at) => [at, first] as const)));
    const groups = new Map<number, number[]>();
    for (let at = 0; at < this.#widths.length; at++) {
      const group = this.alike.get(this.#picture(at).name);
      if (group !== undefined && !files.has(at)) groups.set(group, [...(groups.get(group) ?? []), at]);
    }
    return [...groups.values()].filter(({ length }) => length > 1).map((places) => this.#group(places));
  }

  #group(places: readonly number[]): PictureGroup {
    const pictures = places.map((at) => this.#picture(at));
    return {
      pictures,
      labelConflict: new Set(pictures.map((picture) => picture.class)).size > 1,
      leak: new Set(pictures.map(({ split }) => split)).size > 1,
    };
  }

  #picture(at: number): PictureGroup["pictures"][number] {
    const { train, validation } = this.source;
    const split = at < train.count ? "train" : "validation";
    const [set, index] = split === "train" ? [train, at] : [validation, at - train.count];
    return { name: photoName(set.locations, index), split, class: labelText(set, index) };
  }
}

function judge(facts: Omit<PhotoReport, "problems" | "advice">): Pick<PhotoReport, "problems" | "advice"> {
  const { classes, pictures, unreadable, mended, deep, duplicates, alike, imbalance, otherFiles } = facts;
  const problems: string[] = [];
  const advice: string[] = [];

  const share = unreadable.length / (pictures.train + pictures.validation);
  const bad = `${counted(unreadable.length, "picture")} (${(100 * share).toFixed(2)} %) cannot be read`;
  if (share > MOST_UNREADABLE)
    problems.push(`${bad}; training stops above ${100 * MOST_UNREADABLE} %: mend or remove them`);
  else if (share > 0) advice.push(`${bad}; training skips them`);

  if (mended.length > 0)
    advice.push(`${counted(mended.length, "JPEG file")} without an end, used as they are: ${few(mended)}`);

  if (deep?.lost !== undefined) problems.push(`${lossText(deep)}: train with ${intensityOption(deep.range)}`);
  else if (deep) {
    advice.push(
      `${counted(deep.count, "picture")} of more than 8 bits, with values from ${short(deep.range.min)} to ${short(deep.range.max)}`,
    );
  }

  const leaks = duplicates.filter(({ leak }) => leak).length;
  if (leaks > 0) {
    problems.push(
      `${counted(leaks, "picture")} both in training and in validation, which makes validation figures too good: remove one copy`,
    );
  }
  const conflicts = duplicates.filter(({ labelConflict }) => labelConflict).length;
  if (conflicts > 0) problems.push(`${counted(conflicts, "picture")} under several classes: keep the right copy`);
  const copies = duplicates.filter(({ leak, labelConflict }) => !leak && !labelConflict).length;
  if (copies > 0)
    advice.push(`${counted(copies, "picture")} several times in one class: each copy counts as a picture`);
  const alikeLeaks = alike.filter(({ leak }) => leak).length;
  if (alikeLeaks > 0) {
    advice.push(
      `${counted(alikeLeaks, "group")} of pictures that look alike both in training and in validation: if they are the same, validation figures are too good`,
    );
  }

  const untrained = classes.filter(({ train }) => train === 0).map(({ name }) => name);
  if (untrained.length > 0) problems.push(`without training pictures: ${few(untrained)}`);
  const unmeasured = classes.filter(({ validation }) => validation === 0).map(({ name }) => name);
  if (unmeasured.length > 0) advice.push(`without validation pictures, so never measured: ${few(unmeasured)}`);
  if (imbalance.ratio > UNEVEN) {
    advice.push(
      `${JSON.stringify(imbalance.largest)} has ${imbalance.ratio.toFixed(1)} times as many training pictures as ` +
        `${JSON.stringify(imbalance.smallest)}: consider class weights or balanced sampling, and look at each class's accuracy`,
    );
  }
  if (otherFiles.count > 0) {
    advice.push(`${counted(otherFiles.count, "other file")} beside the pictures not used: ${few(otherFiles.examples)}`);
  }
  return { problems, advice };
}

/** Without the name, which is told beside it. */
function reasonOf(error: unknown): string {
  if (error instanceof UnreadablePhoto) return error.reason;
  return (error as Error).message.replace(/^the picture of \d+ bytes (is )?/, "");
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  return shown.join(", ") + (names.length > shown.length ? ", …" : "");
}
