/**
 * Throughput of decoding and the paper's pipeline at 224 pixels, without training: knack against torchvision's ImageFolder and DataLoader
 * (bench/loader.py) in turn, A B A B, on the same pictures. Both end with normalised float32 batches: torchvision makes them in its workers, knack
 * in the thread that trains.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Loader } from "../src/data/loading/loader.js";
import { openPhotos } from "../src/data/sources/open.js";
import { prepareImages } from "../src/training/prepare-images.js";
import { scope } from "../src/tensor/scope.js";
import { median, python, type Row } from "./row.js";

const SIZE = 224;
const BATCH = 32;
const WORKERS = 2;

export interface LoaderRow extends Row {
  readonly pictures: number;
  readonly workers: number;
  /** Images/s of every round. */
  readonly rounds: { readonly knack: readonly number[]; readonly torchvision: readonly number[] };
}

/** @param folder CLASS/*.jpg or train/CLASS/*.jpg */
export async function measureLoader(folder: string, rounds: number): Promise<LoaderRow> {
  const photos = openPhotos(folder).train;
  const normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const format = { height: SIZE, width: SIZE, channels: 3, ...normalisation } as const;
  const evaluation = { size: [SIZE, SIZE], cropPct: 0.875, interpolation: "bilinear", channels: 3 } as const;
  const augmentation = {
    crop: 0,
    flip: true,
    scale: [0.08, 1],
    ratio: [3 / 4, 4 / 3],
    jitter: 0.4,
    lighting: 0.1,
  } as const;
  const source = { ...photos, ...format, evaluation };
  const loader = new Loader(source, { batchSize: BATCH, augmentation, seed: 0, workers: WORKERS });
  const knackEpoch = async (epoch: number): Promise<number> => {
    const start = performance.now();
    let images = 0;
    for await (const { pixels, size } of loader.epoch(epoch)) {
      scope(() => prepareImages(pixels, format, "cpu"));
      images += size;
    }
    return (1000 * images) / (performance.now() - start);
  };
  const torchvision = new Torchvision(folder, rounds);
  const rates = { knack: [] as number[], torchvision: [] as number[] };
  try {
    await torchvision.ready();
    await knackEpoch(0);
    for (let round = 1; round <= rounds; round++) {
      rates.knack.push(await knackEpoch(round));
      rates.torchvision.push(await torchvision.epoch());
    }
  } finally {
    torchvision.end();
    await loader.close();
  }
  const [knack, peer] = [median(rates.knack), median(rates.torchvision)];
  return {
    bench: "loader",
    imageSize: SIZE,
    batch: BATCH,
    precision: "fp32",
    unit: "images/s",
    knack,
    peers: { torchvision: peer },
    ratios: { torchvision: knack / peer },
    pictures: photos.count,
    workers: WORKERS,
    rounds: rates,
  };
}

class Torchvision {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(folder: string, rounds: number) {
    // The script stays in bench/, two folders above this file's place in dist/bench.
    const script = fileURLToPath(new URL("../../bench/loader.py", import.meta.url));
    const numbers = [WORKERS, BATCH, rounds].map(String);
    this.#process = spawn(python, [script, folder, ...numbers], { stdio: ["pipe", "pipe", "inherit"] });
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Waits for the epoch that starts its workers. */
  async ready(): Promise<void> {
    await this.#answer();
  }

  epoch(): Promise<number> {
    this.#process.stdin.write("\n");
    return this.#answer();
  }

  async #answer(): Promise<number> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("bench/loader.py ended early");
    return Number(value);
  }

  end(): void {
    this.#process.stdin.end();
  }
}
