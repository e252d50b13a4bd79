import type { FastOnnx } from "../onnx/fast/fast-onnx.js";
import type { Network } from "./network.js";

/** How far logits may be from ONNX Runtime's, as a share of their length: both round, at different places, and a wrong layer is farther. */
const APART = 0.3;

type Computing = Pick<Network, "logits" | "dispose">;

/** A network by the fast engine, once the first picture's logits were those of another one, which else computes all of it. */
export class FastWhereSame implements Network {
  readonly format: Network["format"];
  readonly batchSize: number;
  #chosen: Promise<Computing> | undefined;

  constructor(
    private readonly path: string,
    private readonly fast: Pick<FastOnnx, "logits" | "dispose">,
    private readonly slow: Network,
  ) {
    this.format = slow.format;
    this.batchSize = slow.batchSize;
  }

  async logits(pixels: Uint8Array): Promise<Float32Array> {
    this.#chosen ??= this.#choose(pixels);
    return (await this.#chosen).logits(pixels);
  }

  /** Keeps one of the two; the other one's memory is freed. */
  async #choose(pixels: Uint8Array): Promise<Computing> {
    const { fast, slow } = this;
    const [height, width] = this.format.size;
    const first = pixels.subarray(0, height * width * this.format.channels);
    if (areNear(fast.logits(first), await slow.logits(first))) {
      await slow.dispose();
      return { logits: async (more) => fast.logits(more), dispose: async () => fast.dispose() };
    }
    fast.dispose();
    process.emitWarning(`${this.path}: computed by ONNX Runtime, since the fast engine's logits are not the same`);
    return slow;
  }

  async dispose(): Promise<void> {
    const chosen = await this.#chosen?.catch(() => undefined);
    if (chosen) return chosen.dispose();
    this.fast.dispose();
    await this.slow.dispose();
  }
}

/** Also false where some are no numbers: then weights are broken, and the one that files are made for says so. */
function areNear(logits: Float32Array, expected: Float32Array): boolean {
  const apart = Math.hypot(...expected.map((value, index) => value - (logits[index] ?? Number.NaN)));
  return apart <= APART * Math.hypot(...expected);
}
