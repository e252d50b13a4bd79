/**
 * Training steps and inference against PyTorch and the limit of oneDNN, in turn in one run:
 * `npm run bench -- [--only training|inference] [--model M] [--batch B] [--precision fp32|bf16] [--rounds 3] [--json FILE]`.
 *
 * Every round starts each program once, knack, PyTorch eager, PyTorch tuned, so that they see the same moods of the machine; a program's first step is not
 * counted. What is printed are medians over the rounds and their ratios. PyTorch is that of KNACK_PYTHON or /usr/bin/python3.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { describeEnvironment } from "../src/training/environment.js";
import { limitOf } from "./limit.js";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    model: { type: "string" },
    batch: { type: "string" },
    precision: { type: "string", default: "fp32" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const precision = values.precision === "bf16" ? "bf16" : "fp32";

const MODELS = [
  { model: "resnet18_small", imageSize: 32, batches: [1, 16, 128] },
  { model: "resnet18", imageSize: 224, batches: [1, 16, 64] },
  { model: "resnet50", imageSize: 224, batches: [1, 16, 64] },
  { model: "resnet50d", imageSize: 224, batches: [1, 16, 64] },
  { model: "mobilenetv1_100", imageSize: 224, batches: [1, 16, 64] },
  { model: "inception_v3", imageSize: 299, batches: [1, 16] },
] as const;

type Mode = "training" | "inference";

interface Case {
  readonly bench: Mode;
  readonly model: string;
  readonly imageSize: number;
  readonly batch: number;
}

interface Measured {
  /** Seconds of the first step, with all that is built for it. */
  readonly first: number;
  readonly seconds: readonly number[];
  readonly peakBytes: number;
}

interface Row extends Case {
  readonly precision: string;
  /** Images/s, as the peers'. */
  readonly knack: number;
  readonly peers: Readonly<Record<string, number>>;
  /** knack over the peer. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly firstStepSeconds: Readonly<Record<string, number>>;
  readonly peakMegabytes: Readonly<Record<string, number>>;
}

const inBench = (name: string) => fileURLToPath(new URL(`../../bench/${name}`, import.meta.url));
const python = process.env.KNACK_PYTHON ?? "/usr/bin/python3";
/** glibc keeps and reuses every page: what an allocator of one's own gives PyTorch. */
const KEEP_PAGES = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "100000000000",
  MALLOC_TOP_PAD_: "100000000",
  GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
};

function run(program: string, args: readonly string[], environment = {}): Measured {
  const ran = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...environment } });
  const line = ran.stdout?.trim().split("\n").at(-1) ?? "";
  if (ran.status !== 0 || line === "") throw new Error(`${program} ${args.join(" ")} failed:\n${ran.stderr}`);
  return JSON.parse(line) as Measured;
}

/** As many steps as take a few seconds, at least two. */
const stepsOf = ({ imageSize, batch }: Case) => Math.max(2, Math.min(20, Math.round(4e6 / (imageSize ** 2 * batch))));

function programs(given: Case): Record<string, () => Measured> {
  const { bench, model, imageSize, batch } = given;
  const args = [model, imageSize, batch, stepsOf(given), bench].map(String);
  return {
    knack: () => run(process.execPath, [fileURLToPath(new URL("./step.js", import.meta.url)), ...args, precision]),
    "pytorch-eager": () => run(python, [inBench("step.py"), ...args, "eager", precision]),
    "pytorch-tuned": () => run(python, [inBench("step.py"), ...args, "tuned", precision], KEEP_PAGES),
    ...(bench === "inference" && {
      "onnx-runtime": () => run(process.execPath, [fileURLToPath(new URL("./onnx-step.js", import.meta.url)), ...args]),
    }),
  };
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number;

function measure(given: Case): Row {
  const all = programs(given);
  const found: Record<string, Measured[]> = {};
  const limits: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [name, program] of Object.entries(all)) {
      found[name] ??= [];
      found[name].push(program());
    }
    if (given.bench === "training") limits.push(given.batch / limitOf(given, precision));
  }
  const each = (value: (measured: Measured) => number) =>
    Object.fromEntries(Object.entries(found).map(([name, list]) => [name, median(list.map(value))]));
  const { knack = 0, ...peers } = each(({ seconds }) => given.batch / median(seconds));
  const withLimit = limits.length > 0 ? { ...peers, limit: median(limits) } : peers;
  return {
    ...given,
    precision,
    knack,
    peers: withLimit,
    ratios: Object.fromEntries(Object.entries(withLimit).map(([name, rate]) => [name, knack / rate])),
    firstStepSeconds: each(({ first }) => first),
    peakMegabytes: each(({ peakBytes }) => peakBytes / 1e6),
  };
}

const cases: Case[] = (["training", "inference"] as const)
  .filter((bench) => values.only === undefined || values.only === bench)
  .flatMap((bench) =>
    MODELS.filter(({ model }) => values.model === undefined || values.model === model).flatMap(
      ({ model, imageSize, batches }) =>
        batches
          .filter((batch) => values.batch === undefined || Number(values.batch) === batch)
          .map((batch) => ({ bench, model, imageSize, batch })),
    ),
  );
if (cases.length === 0) throw new Error(`nothing to measure; models: ${MODELS.map(({ model }) => model).join(", ")}`);

const rows: Row[] = [];
const table = new Table({
  head: [
    "",
    "model",
    "batch",
    "knack",
    "eager",
    "tuned",
    "limit",
    "x eager",
    "x tuned",
    "of limit",
    "memory",
    "eager's",
  ],
  style: { head: [], border: [] },
});
for (const given of cases) {
  const row = measure(given);
  rows.push(row);
  const { peers, ratios, peakMegabytes } = row;
  const figure = (value: number | undefined) => (value === undefined ? "" : value.toPrecision(3));
  table.push([
    row.bench,
    `${row.model} ${row.imageSize}`,
    row.batch,
    figure(row.knack),
    ...["pytorch-eager", "pytorch-tuned"].map((name) => figure(peers[name])),
    figure(peers.limit ?? peers["onnx-runtime"]),
    ...["pytorch-eager", "pytorch-tuned"].map((name) => figure(ratios[name])),
    figure(ratios.limit ?? ratios["onnx-runtime"]),
    ...["knack", "pytorch-eager"].map((name) => `${((peakMegabytes[name] ?? 0) / 1000).toFixed(2)} GB`),
  ]);
  console.error(`${row.bench} ${row.model} batch ${row.batch}: ${JSON.stringify(row.ratios)}`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine: describeEnvironment(), rows }, null, 2)}\n`);
}
console.log(table.toString());
console.log(`images/s in ${precision}, medians of ${rounds} rounds in turn; under "limit" for inference: ONNX Runtime`);
