import { compileNetwork, whyNoFastEngine } from "../../engine/engine.js";
import { UnsupportedLayer } from "../../engine/lowering/network.js";
import { type CpuAddon, cpuAddon, type NetworkHandle } from "../../native/cpu/addon.js";
import { computingThreads, settleLibraries } from "../../native/torch/library-settings.js";
import { requireThreads } from "../../native/process/process.js";
import { normalisingTables } from "../picture-input.js";
import type { ModelProto } from "../schema.js";
import { lowerOnnx } from "./lower.js";
import { OnnxGraph } from "./onnx-graph.js";

interface Network {
  readonly handle: NetworkHandle;
  readonly operations: number;
  readonly pixels: Uint8Array;
  readonly images: Float32Array;
  readonly result: Float32Array;
}

/** The pictures of a network. */
export interface PictureFormat {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Batch sizes that are kept compiled: as many pictures as go through at once, and the rest. */
const KEPT_NETWORKS = 2;

/** How many pictures go through the network at once, for each thread: what a layer makes of more has left the cache when the next one reads it. */
const PICTURES_A_THREAD = 2;

/** The network of an ONNX file by the fast engine; undefined where that cannot compute it. */
export function fastOnnx(model: ModelProto, format: PictureFormat): FastOnnx | undefined {
  try {
    return FastOnnx.open(model, format);
  } catch (error) {
    if (error instanceof UnsupportedLayer) return undefined;
    throw error;
  }
}

/** The network of an ONNX file in integers of 8 bits, computed by the fast engine, compiled for each batch size that comes. */
export class FastOnnx implements Disposable {
  readonly #networks = new Map<number, Network>();
  readonly #tables: readonly Float32Array[];

  private constructor(
    private readonly addon: CpuAddon,
    private readonly atOnce: number,
    private readonly graph: OnnxGraph,
    private readonly format: PictureFormat,
  ) {
    this.#tables = normalisingTables(format.mean, format.std);
  }

  /** @throws UnsupportedLayer where there is no fast engine here, or it lacks something of the network */
  static open(model: ModelProto, format: PictureFormat): FastOnnx {
    settleLibraries();
    const fault = whyNoFastEngine({ device: "cpu", precision: "fp32" });
    const addon = cpuAddon();
    if (!addon || fault !== undefined) throw new UnsupportedLayer(`what computes here: ${fault}`);
    if (!model.graph.node.some(({ op_type }) => op_type === "QuantizeLinear"))
      throw new UnsupportedLayer("networks in float32");
    const threads = computingThreads();
    requireThreads(threads - 1, `computing with ${threads} threads`);
    addon.setThreads(threads);
    const network = new FastOnnx(addon, PICTURES_A_THREAD * threads, new OnnxGraph(model), format);
    // What it lacks is known before pictures come.
    network.#compile(1);
    return network;
  }

  /** @param pixels [N, H, W, C] uint8. @returns logits [N, classes] */
  logits(pixels: Uint8Array): Float32Array {
    const { channels, height, width } = this.format;
    const part = this.atOnce * channels * height * width;
    const parts = Array.from({ length: Math.ceil(pixels.length / part) }, (_, i) =>
      this.#logitsOf(pixels.subarray(i * part, (i + 1) * part)),
    );
    const logits = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const each of parts) {
      logits.set(each, at);
      at += each.length;
    }
    return logits;
  }

  #logitsOf(pixels: Uint8Array): Float32Array {
    const { channels, height, width } = this.format;
    const batch = pixels.length / (channels * height * width);
    const network = this.#networks.get(batch) ?? this.#compile(batch);
    network.pixels.set(pixels);
    if (network.images.length > 0) intoNumbers(network.images, pixels, this.#tables);
    this.addon.forward(network.handle, 0, network.operations, false);
    return network.result.slice();
  }

  dispose(): void {
    for (const batch of [...this.#networks.keys()]) this.#forget(batch);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #compile(batch: number): Network {
    const [oldest] = this.#networks.keys();
    if (oldest !== undefined && this.#networks.size >= KEPT_NETWORKS) this.#forget(oldest);
    const { channels, height, width } = this.format;
    const size = batch * channels * height * width;
    const { input } = this.graph;
    const isRead = this.graph.readersOf(input).some(({ op_type }) => op_type !== "QuantizeLinear");
    const memory = {
      shape: [batch, channels, height, width],
      pixels: new Uint8Array(new SharedArrayBuffer(size)),
      images: new Float32Array(new SharedArrayBuffer(isRead ? 4 * size : 0)),
      tables: this.#tables,
    } as const;
    const { description, result } = lowerOnnx(this.graph, memory, this.addon.processor().exactBytes);
    const handle = compileNetwork(this.addon, description);
    this.addon.loadParameters(handle, false);
    const network = { handle, operations: description.operations.length, ...memory, result };
    this.#networks.set(batch, network);
    return network;
  }

  #forget(batch: number): void {
    const network = this.#networks.get(batch);
    if (network) this.addon.dispose(network.handle);
    this.#networks.delete(batch);
  }
}

/** Bytes through their channel's table, pixel by pixel. */
function intoNumbers(images: Float32Array, pixels: Uint8Array, tables: readonly Float32Array[]): void {
  const channels = tables.length;
  for (const [c, table] of tables.entries()) {
    for (let i = c; i < pixels.length; i += channels) images[i] = table[pixels[i] as number] as number;
  }
}
