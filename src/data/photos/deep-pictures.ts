import { InputError } from "../../base/errors.js";
import { refuseLack } from "../../base/lack.js";
import { usableProcessors } from "../../base/limits.js";
import { type Intensity, lossOf, short, type ValueRange } from "../pictures/deep-picture.js";
import { deepRange } from "../pictures/picture.js";
import { spread } from "./cut-jpegs.js";
import { photoName, readPhoto } from "./photo-locations.js";
import type { PhotoSet } from "./photo-set.js";

/** Formats of 8 bits. */
const NEVER_DEEP = /\.(jpe?g|jfif|jpe|jif|pjpe?g|pjp|webp|gif)$/i;
/** So many of a set tell whether there are any among them. */
const PROBES = 200;

/** The pictures of more than 8 bits in some sets: 16-bit or floating-point ones. */
export interface DeepPictures {
  readonly count: number;
  readonly range: ValueRange;
  /** What is black and white in them where nobody says; undefined where there are pictures of both kinds. */
  readonly natural: Intensity | undefined;
  /** What they would be as that: "black", "white", "cut off". */
  readonly lost: string | undefined;
}

export interface DeepSearch {
  /** Whether no more are looked at once they are known to be no loss. Default: all are. */
  readonly early?: boolean;
  readonly shouldStop?: () => boolean;
}

/** @returns undefined where there are none, or one in hundreds: that is told of when it is read */
export async function deepPictures(
  sets: readonly PhotoSet[],
  { early = false, shouldStop = () => false }: DeepSearch = {},
): Promise<DeepPictures | undefined> {
  const count = sets.reduce((sum, set) => sum + set.count, 0);
  const probe = new Kinds(sets);
  const step = Math.max(1, count / PROBES);
  await probe.look(step, () => probe.any || shouldStop());
  if (!probe.any) return undefined;
  const kinds = new Kinds(sets);
  await kinds.look(1, () => shouldStop() || (early && kinds.harmless));
  return kinds.found();
}

/** @throws InputError where pictures of more than 8 bits would be learnt from as black, white or cut off */
export function requireNoLoss(name: string, { lost, range }: DeepPictures, remedy = "say by"): void {
  if (lost === undefined) return;
  throw new InputError(`${name}: ${lossText({ lost, range })}: ${remedy} ${intensityOption(range)}`);
}

/** "pictures of more than 8 bits hold values from 0 to 4095, and would be black" */
export function lossText({ lost, range }: Pick<DeepPictures, "lost" | "range">): string {
  return `its pictures of more than 8 bits hold values from ${short(range.min)} to ${short(range.max)}, and would be ${lost}`;
}

/** "--intensity 0,4095" */
export function intensityOption({ min, max }: ValueRange): string {
  return `--intensity ${short(min)},${short(max)}`;
}

/** What pictures hold, for each kind of numbers by what is white in it. */
class Kinds {
  readonly #kinds = new Map<number, { natural: Intensity; range: ValueRange; count: number }>();

  constructor(private readonly sets: readonly PhotoSet[]) {}

  get any(): boolean {
    return this.#kinds.size > 0;
  }

  /** Whether those seen can be no loss, whatever follows: only numbers of 16 bits cannot be cut off. */
  get harmless(): boolean {
    return [...this.#kinds.values()].every(
      ({ natural, range }) => natural[1] > 255 && lossOf(range, natural) === undefined && range.max > range.min,
    );
  }

  /** Looks at each of the pictures, or with a larger `step` at some, spread over all. */
  async look(step: number, enough: () => boolean): Promise<void> {
    const queue = spread(this.sets, step);
    const lane = async () => {
      for (const [set, index] of queue) {
        await this.#lookAt(set, index);
        if (enough()) return;
      }
    };
    await Promise.all(Array.from({ length: usableProcessors() + 1 }, lane));
  }

  found(): DeepPictures | undefined {
    const kinds = [...this.#kinds.values()].sort((a, b) => b.count - a.count);
    const [first] = kinds;
    if (first === undefined) return undefined;
    const lossy = kinds.find(({ range, natural }) => lossOf(range, natural) !== undefined);
    const { range, natural } = lossy ?? first;
    return {
      count: kinds.reduce((sum, { count }) => sum + count, 0),
      range,
      natural: kinds.length === 1 ? natural : undefined,
      lost: lossOf(range, natural),
    };
  }

  async #lookAt(set: PhotoSet, index: number): Promise<void> {
    if (NEVER_DEEP.test(photoName(set.locations, index))) return;
    try {
      const deep = await deepRange(await readPhoto(set.locations, index));
      if (deep === undefined) return;
      const { range, natural } = deep;
      const before = this.#kinds.get(natural[1]) ?? { natural, range, count: 0 };
      const [min, max] = [Math.min(before.range.min, range.min), Math.max(before.range.max, range.max)];
      this.#kinds.set(natural[1], { natural, range: { min, max }, count: before.count + 1 });
    } catch (error) {
      refuseLack(error); // what cannot be read is told of by who needs it
      if (!(error instanceof InputError)) throw error;
    }
  }
}
