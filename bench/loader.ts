/**
 * Throughput of decoding and the paper's pipeline at 224 pixels, without training: `npm run bench:loader -- FOLDER [--json FILE]
 * [--rounds 5] [--workers 2]`, FOLDER with CLASS/*.jpg or train/CLASS/*.jpg. Knack against torchvision's ImageFolder and DataLoader (bench/loader.py, run
 * by KNACK_PYTHON or python3) in turn, A B A B, on the same pictures. Both end with normalised float32 batches: torchvision makes them in
 * its workers, knack in the thread that trains.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Loader } from "../src/data/loader.js";
import { openPhotos } from "../src/data/photo-set.js";
import { prepareImages } from "../src/data/prepare-images.js";
import { scope } from "../src/tensor/scope.js";

const SIZE = 224;
const BATCH = 32;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "5" },
    workers: { type: "string", default: "2" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("which folder of photographs? npm run bench:loader -- FOLDER");
const [rounds, workers] = [Number(values.rounds), Number(values.workers)];

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
const loader = new Loader({ ...photos, ...format, evaluation }, { batchSize: BATCH, augmentation, seed: 0, workers });

async function knackEpoch(epoch: number): Promise<number> {
  const start = performance.now();
  let images = 0;
  for await (const { pixels, size } of loader.epoch(epoch)) {
    scope(() => prepareImages(pixels, format, "cpu"));
    images += size;
  }
  return (1000 * images) / (performance.now() - start);
}

class Torchvision {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(folder: string) {
    // The script stays in bench/, two folders above this file's place in dist/bench.
    const script = fileURLToPath(new URL("../../bench/loader.py", import.meta.url));
    const numbers = [workers, BATCH, rounds].map(String);
    const python = process.env.KNACK_PYTHON ?? "/usr/bin/python3";
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

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

const torchvision = new Torchvision(folder);
await torchvision.ready();
await knackEpoch(0);
const rates = { knack: [] as number[], torchvision: [] as number[] };
for (let round = 1; round <= rounds; round++) {
  rates.knack.push(await knackEpoch(round));
  rates.torchvision.push(await torchvision.epoch());
  console.log(
    `round ${round}: knack ${rates.knack.at(-1)?.toFixed(0)}, torchvision ${rates.torchvision.at(-1)?.toFixed(0)} images/s`,
  );
}
torchvision.end();
await loader.close();

const [knack, peer] = [median(rates.knack), median(rates.torchvision)];
const result = {
  pictures: photos.count,
  size: SIZE,
  batch: BATCH,
  workers,
  knack,
  torchvision: peer,
  ratio: knack / peer,
  rates,
};
console.log(
  `${photos.name}, ${photos.count} pictures, ${workers} workers: knack ${knack.toFixed(0)}, torchvision ${peer.toFixed(0)} images/s ` +
    `(medians of ${rounds}), ${result.ratio.toFixed(2)} times as many`,
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
