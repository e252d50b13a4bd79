import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.js";
import { cacheFolder, makeFolder } from "../base/folders.js";
import type { Algorithms, Convolution, ConvolutionAlgorithm, ConvolutionShape, CpuAddon } from "../native/cpu/addon.js";
import { VERSION } from "../base/version.js";
import { type ConvolutionChoices, keyOf, parseChoices } from "./convolution-choices.js";
import type { ImageLayout } from "./engine-name.js";

const DIRECT: Algorithms = [0, 0, 0];
const EITHER = [0, 1] as const satisfies ConvolutionAlgorithm[];
const REPEATS = 5;
/** Winograd's rounding is coarser: what it gains must be more than the noise of measuring. */
const WORTHWHILE = 0.95;

/** The share of the time of measuring in which threads may have waited for a processor. */
const MOST_WAITING = 0.05;
/** Milliseconds of measuring, of all shapes together, that may be disturbed and done again: the process's own threads, which start meanwhile, soon are done. */
const PATIENCE = 2000;

/**
 * The fastest algorithm of a convolution's passes, direct or Winograd's F(4x4, 3x3) (Lavin and Gray 2015). A choice is that of the run, if it has
 * one, else that of this machine, which measures each shape once and remembers it in a file. A choice that oneDNN cannot compute is never taken,
 * wherever it comes from.
 */
export class ConvolutionAlgorithms {
  readonly #file: string | undefined;
  readonly #known: Record<string, Algorithms>;
  #patience = PATIENCE;

  /** @param machine what times depend on: processor, instruction set, oneDNN, threads */
  constructor(
    private readonly addon: Pick<CpuAddon, "timeConvolution" | "scheduled">,
    private readonly machine: string,
    private readonly choices: ConvolutionChoices,
  ) {
    const folder = cacheFolder();
    this.#file = folder && join(folder, `convolutions-${VERSION}-${machine.replace(/[^\w.]+/g, "-")}.json`);
    this.#known = read(this.#file);
  }

  /** @param winograd whether Winograd's may be chosen */
  choose(shape: ConvolutionShape, winograd: boolean): Algorithms {
    if (!mayTakeWinograd(shape)) return DIRECT;
    if (shape.channelsLast || !winograd) {
      this.choices.take(this.machine, shape, DIRECT);
      return DIRECT;
    }
    const known = this.choices.of(this.machine, shape) ?? this.#known[keyOf(shape)];
    const chosen = known && this.#canCompute(shape, known) ? known : this.#find(shape);
    this.choices.take(this.machine, shape, chosen);
    return chosen;
  }

  /** The layout that a network with these convolutions had in the run, where Winograd's algorithm had a say in it. */
  keptLayout(convolutions: readonly Convolution[]): ImageLayout | undefined {
    const has = (channelsLast: boolean) =>
      convolutions.some((convolution) => this.choices.of(this.machine, { ...convolution, channelsLast }) !== undefined);
    if (has(true)) return "channels-last";
    return has(false) ? "blocks" : undefined;
  }

  /** Measures until nothing disturbs that; beside other programs it is a matter of luck which is the faster, and the choice is this run's alone. */
  #find(shape: ConvolutionShape): Algorithms {
    for (;;) {
      const [before, started] = [this.addon.scheduled(), performance.now()];
      const measured = this.#measure(shape);
      const after = this.addon.scheduled();
      const waited = after.waiting - before.waiting;
      const isCalm = waited <= MOST_WAITING * (waited + after.running - before.running);
      if (isCalm) return this.#agree(shape, measured);
      this.#patience -= performance.now() - started;
      if (this.#patience <= 0) return measured;
    }
  }

  /** Keeps what was measured for other processes, unless one of them was first: then that is taken, and all of them compute the same bits. */
  #agree(shape: ConvolutionShape, measured: Algorithms): Algorithms {
    if (this.#file === undefined) return measured;
    const key = keyOf(shape);
    const known = read(this.#file);
    const first = known[key];
    if (first && this.#canCompute(shape, first)) return first;
    try {
      makeFolder(dirname(this.#file));
      writeFileAtomic(this.#file, `${JSON.stringify({ ...known, [key]: measured }, null, 1)}\n`);
    } catch {
      // A home that is read-only costs a second of measuring at each start, no more.
    }
    return measured;
  }

  #canCompute(shape: ConvolutionShape, algorithms: Algorithms): boolean {
    return this.addon.timeConvolution({ ...shape, algorithms, pass: 0, repeats: 0 }) !== null;
  }

  /** The fastest of what can be computed. The forward pass fixes the layout of images that are free to have any, and so what the others can do. */
  #measure(shape: ConvolutionShape): Algorithms {
    const candidates = EITHER.flatMap((forward) =>
      shape.training
        ? EITHER.flatMap((data) => EITHER.map((weights): Algorithms => [forward, data, weights]))
        : [[forward, 0, 0] as const],
    ).filter((algorithms) => this.#canCompute(shape, algorithms));
    // Without Winograd there is nothing to measure.
    if (candidates.every((algorithms) => algorithms.every((algorithm) => algorithm === 0))) return DIRECT;
    this.choices.measuring();
    const passes: readonly (0 | 1 | 2)[] = shape.training ? (shape.first ? [0, 2] : [0, 1, 2]) : [0];
    const times = new Map<string, number>();
    const seconds = (algorithms: Algorithms, pass: 0 | 1 | 2): number => {
      const key = `${pass} by ${algorithms[pass]}${shape.first ? ` after ${algorithms[0]}` : ""}`;
      const known = times.get(key);
      if (known !== undefined) return known;
      const measured = this.addon.timeConvolution({ ...shape, algorithms, pass, repeats: REPEATS });
      const weighted = (measured ?? Number.POSITIVE_INFINITY) * (algorithms[pass] === 1 ? 1 / WORTHWHILE : 1);
      times.set(key, weighted);
      return weighted;
    };
    const whole = (algorithms: Algorithms) => passes.reduce<number>((sum, pass) => sum + seconds(algorithms, pass), 0);
    return candidates.reduce((best, algorithms) => (whole(algorithms) < whole(best) ? algorithms : best));
  }
}

/** Whether Winograd's algorithm computes such convolutions, over images in blocks. */
export function mayTakeWinograd({ kernel, stride, groups, bfloat16 }: Convolution): boolean {
  return [kernel, stride].flat().join() === "3,3,1,1" && groups === 1 && !bfloat16;
}

function read(file: string | undefined): Record<string, Algorithms> {
  if (file === undefined) return {};
  try {
    return parseChoices(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return {};
  }
}
