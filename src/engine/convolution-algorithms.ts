import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.js";
import type { ConvolutionAlgorithm, CpuAddon, Quad, WindowGeometry } from "../native/cpu/addon.js";
import { VERSION } from "../base/version.js";

export interface ConvolutionShape extends WindowGeometry {
  /** [N, C, H, W] */
  readonly images: Quad;
  readonly outChannels: number;
  readonly groups: number;
  readonly bfloat16: boolean;
}

/** Of forward, backward data and backward weights. */
export type Algorithms = readonly [ConvolutionAlgorithm, ConvolutionAlgorithm, ConvolutionAlgorithm];

export const DIRECT: Algorithms = [0, 0, 0];
const REPEATS = 5;

/**
 * The fastest algorithm of a convolution's three passes, direct or Winograd's F(4x4, 3x3) (Lavin and Gray 2015). Measured once on a machine and
 * remembered in a file, so that a run that is repeated or resumed computes the same bits.
 */
export class ConvolutionAlgorithms {
  readonly #file: string;
  readonly #known: Record<string, Algorithms>;
  #changed = false;

  /** @param machine what times depend on: the processor's name and the number of threads */
  constructor(
    private readonly addon: CpuAddon,
    machine: string,
  ) {
    this.#file = join(cacheFolder(), `convolutions-${VERSION}-${machine.replace(/[^\w.]+/g, "-")}.json`);
    this.#known = read(this.#file);
  }

  choose(shape: ConvolutionShape): Algorithms {
    const { kernel, stride, groups, bfloat16 } = shape;
    const isCandidate = [kernel, stride].flat().join() === "3,3,1,1" && groups === 1 && !bfloat16;
    if (!isCandidate) return DIRECT;
    const key = `${shape.images.join("x")} to ${shape.outChannels}, padding ${shape.padding.join()}`;
    const known = this.#known[key];
    if (known) return known;
    this.#changed = true;
    const measured = ([0, 1, 2] as const).map((pass) => this.#fastest(shape, pass)) as unknown as Algorithms;
    this.#known[key] = measured;
    return measured;
  }

  /** Keeps what was measured for the next process; where the folder cannot be written, the next one measures again. */
  remember(): void {
    if (!this.#changed) return;
    this.#changed = false;
    try {
      mkdirSync(cacheFolder(), { recursive: true });
      writeFileAtomic(this.#file, `${JSON.stringify(this.#known, null, 1)}\n`);
    } catch {
      // A home that is read-only costs a second of measuring at each start, no more.
    }
  }

  #fastest(shape: ConvolutionShape, pass: 0 | 1 | 2): ConvolutionAlgorithm {
    const seconds = (algorithm: ConvolutionAlgorithm) =>
      this.addon.timeConvolution({ ...shape, algorithm, pass, repeats: REPEATS }) ?? Number.POSITIVE_INFINITY;
    return seconds(1) < seconds(0) ? 1 : 0;
  }
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "knack");
}

function read(file: string): Record<string, Algorithms> {
  try {
    const known: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof known !== "object" || known === null) return {};
    return Object.fromEntries(Object.entries(known).filter(([, choice]) => isChoice(choice)));
  } catch {
    return {};
  }
}

function isChoice(value: unknown): value is Algorithms {
  return Array.isArray(value) && value.length === 3 && value.every((choice) => choice === 0 || choice === 1);
}
