import { addon, type Handle } from "../native/torch/addon.js";
import { Tensor } from "./tensor.js";

/** A libtorch random number generator with a state of its own; the same seed gives the same numbers. */
export class Generator implements Disposable {
  readonly #handle: Handle;

  constructor(seed: number, device = "cpu") {
    this.#handle = addon.createGenerator(seed, device);
  }

  /** @internal */
  static handleOf(generator: Generator): Handle {
    return generator.#handle;
  }

  /** The state as a uint8 tensor, to go on from later. */
  get state(): Tensor {
    return new Tensor(addon.generatorState(this.#handle));
  }

  set state(state: Tensor) {
    addon.setGeneratorState(this.#handle, Tensor.handleOf(state));
  }

  [Symbol.dispose](): void {
    addon.dispose(this.#handle);
  }
}
