import type { Algorithms, ConvolutionShape } from "../native/cpu/addon.js";

/** The choices that a run's networks were computed with: they belong to the machine that made them. */
export interface KeptChoices {
  /** What times depend on: processor, instruction set, oneDNN, threads. */
  readonly machine: string;
  readonly convolutions: Readonly<Record<string, Algorithms>>;
}

/** Which algorithm computes each convolution of a run's networks; kept with its checkpoints, so that another day's run computes the same bits. */
export class ConvolutionChoices {
  readonly #made = new Map<string, Algorithms>();
  #machine = "";
  #told = false;

  /**
   * @param kept of an earlier run, whose choices are taken again on the same machine
   * @param onMeasuring called before the first measurement: all of them take seconds
   */
  constructor(
    private readonly kept?: KeptChoices,
    private readonly onMeasuring: () => void = () => {},
  ) {}

  /** To be called before each measurement. */
  measuring(): void {
    if (!this.#told) this.onMeasuring();
    this.#told = true;
  }

  of(machine: string, shape: ConvolutionShape): Algorithms | undefined {
    const key = keyOf(shape);
    return this.#made.get(key) ?? (this.kept?.machine === machine ? this.kept.convolutions[key] : undefined);
  }

  take(machine: string, shape: ConvolutionShape, algorithms: Algorithms): void {
    this.#machine = machine;
    this.#made.set(keyOf(shape), algorithms);
  }

  /** What a checkpoint keeps; undefined where nothing was chosen. */
  toKeep(): KeptChoices | undefined {
    if (this.#made.size === 0) return this.kept;
    // Those that the run kept and has not come to yet stay.
    const earlier = this.kept?.machine === this.#machine ? Object.entries(this.kept.convolutions) : [];
    return {
      machine: this.#machine,
      convolutions: Object.fromEntries([...new Map([...earlier, ...this.#made])].sort()),
    };
  }
}

/** Shapes with the same key have the same passes. */
export function keyOf({ images, outChannels, padding, training, first, channelsLast }: ConvolutionShape): string {
  const use = `${training ? "training" : "inference"}${first ? ", first" : ""}${channelsLast ? ", channels-last" : ""}`;
  return `${images.join("x")} to ${outChannels}, padding ${padding.join()}, ${use}`;
}

/** @returns what a file holds, as far as it holds choices. */
export function parseChoices(value: unknown): Record<string, Algorithms> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, choice]) => isChoice(choice)));
}

/** @returns undefined where it is none */
export function parseKeptChoices(value: unknown): KeptChoices | undefined {
  const { machine, convolutions } = (value ?? {}) as Partial<KeptChoices>;
  return typeof machine === "string" ? { machine, convolutions: parseChoices(convolutions) } : undefined;
}

function isChoice(value: unknown): value is Algorithms {
  return Array.isArray(value) && value.length === 3 && value.every((choice) => choice === 0 || choice === 1);
}
