import { createRequire } from "node:module";
import { cpus } from "node:os";
import { KnackError } from "../../base/errors.js";
import { requireThreads } from "../process/process.js";
import { computingThreads, settleLibraries } from "./library-settings.js";

declare const handleBrand: unique symbol;
/** An opaque native object; only the addon can make or read one. */
export interface Handle {
  readonly [handleBrand]: true;
}

/** What the sources beside this file exports. Every function throws an Error with libtorch's message; none can crash the process. */
export interface Addon {
  findOperator(name: string, overload: string): number;
  call(operator: number, args: readonly unknown[]): unknown;
  /** Borrows shared memory, copies other memory (JavaScript may detach it at any time). */
  fromBuffer(data: ArrayBufferView, dtype: string, shape: readonly number[]): Handle;
  /** The elements in row-major order, copied. */
  toBuffer(tensor: Handle): ArrayBuffer;
  shape(tensor: Handle): number[];
  dtype(tensor: Handle): string;
  device(tensor: Handle): string;
  dispose(handle: Handle): void;
  isDisposed(handle: Handle): boolean;
  liveTensors(): number;
  /** From a loss, or from a tensor by the gradient that a loss has of it. */
  backward(tensor: Handle, gradient: Handle | null, keepGraph: boolean): void;
  gradient(tensor: Handle): Handle | null;
  setGradient(tensor: Handle, gradient: Handle): void;
  clearGradient(tensor: Handle): void;
  requiresGradient(tensor: Handle): boolean;
  setGradientMode(enabled: boolean): boolean;
  /** One update of float32 weights on the CPU, in place. */
  sgd(
    weights: readonly Handle[],
    gradients: readonly Handle[],
    momenta: readonly Handle[],
    lr: number,
    momentum: number,
    decay: number,
    scale: number,
    nesterov: boolean,
  ): void;
  /** A copy on a device other than the CPU, begun on a stream of its own. */
  copyAside(tensor: Handle, device: string): Handle;
  /** What the device computes from now on waits for that copy. */
  awaitCopy(copy: Handle): void;
  describeEngine(): EngineDescription;
  threads(): number;
  /** Of the calling thread's operators; they are started. */
  setThreads(count: number): void;
  /** Whether cuDNN takes only algorithms that always compute the same bits, and does not try which is fastest. */
  setDeterministic(on: boolean): void;
  /** Gives memory that libtorch's allocator keeps, and no tensor holds, back to the system. */
  releaseKeptMemory(): void;
  createGenerator(seed: number, device: string): Handle;
  generatorState(generator: Handle): Handle;
  setGeneratorState(generator: Handle, state: Handle): void;
}

export interface EngineDescription {
  /** libtorch's version, as "1.13.0". */
  readonly version: string;
  /** libtorch's own description of how it was built. */
  readonly configuration: string;
  readonly oneDnn: boolean;
  readonly cudaDevices: number;
}

/** Threads that libvips starts for the pictures that are decoded at once: where it gets none for a picture it has begun, it crashes. */
const OF_PICTURES = 8;

function load(): Addon {
  settleLibraries();
  const threads = computingThreads();
  // OpenMP ends the process where it gets none, OpenBLAS interrupts it, and libtorch's own pool, at first one a core and then made anew, waits
  // for ever.
  requireThreads(3 * (threads - 1) + (cpus().length - 1) + OF_PICTURES, `computing with ${threads} threads`);
  const functions = requireAddon();
  // libtorch starts with one thread where it cannot tell the cores; OpenMP keeps the number for each calling thread.
  functions.setThreads(threads);
  return functions;
}

function requireAddon(): Addon {
  try {
    return createRequire(import.meta.url)("../../../../build/knack.node");
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n", 1);
    throw new KnackError(`the addon with libtorch does not load: ${reason}: run \`npm run setup\``, { cause });
  }
}

let loaded: Addon | undefined;

/**
 * The functions, of which the first that is used loads the library: what only names operators, as the command line's help does, needs none.
 * From then on they are the object's own, and calls cost no more than on what was loaded.
 */
export const addon: Addon = Object.create(
  new Proxy(Object.prototype, {
    get(_, name): unknown {
      if (!loaded) {
        loaded = load();
        Object.assign(addon, loaded);
      }
      return Reflect.get(loaded, name);
    },
  }),
);
