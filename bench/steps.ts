/**
 * Training steps and inference against PyTorch, the runtimes of ONNX files and the limit of oneDNN.
 *
 * Every round starts each program once, knack, PyTorch eager, PyTorch tuned, so that they see the same moods of the machine; a program's first step is not
 * counted.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median, python, type Row } from "./row.js";

const MODELS = [
  { model: "resnet18_small", imageSize: 32, batches: [1, 16, 64, 128] },
  { model: "resnet18", imageSize: 224, batches: [1, 16, 64] },
  { model: "resnet50", imageSize: 224, batches: [1, 16, 32, 64] },
  { model: "resnet50d", imageSize: 224, batches: [1, 16, 64] },
  { model: "mobilenetv1_100", imageSize: 224, batches: [1, 16, 64] },
  { model: "inception_v3", imageSize: 299, batches: [1, 16, 64] },
] as const;

export interface StepCase {
  readonly bench: "training" | "inference";
  readonly model: string;
  readonly imageSize: number;
  readonly batch: number;
}

export interface StepRow extends Row {
  readonly firstStepSeconds: Readonly<Record<string, number>>;
  readonly peakMegabytes: Readonly<Record<string, number>>;
}

interface Measured {
  /** Seconds of the first step, with all that is built for it. */
  readonly first: number;
  readonly seconds: readonly number[];
  readonly peakBytes: number;
}

/** The cases that are left when only some benches, one model or one batch size are asked for. */
export function stepCases(only: string | undefined, model: string | undefined, batch: number | undefined): StepCase[] {
  return (["training", "inference"] as const)
    .filter((bench) => only === undefined || only === bench)
    .flatMap((bench) =>
      MODELS.filter((each) => model === undefined || each.model === model).flatMap(({ model, imageSize, batches }) =>
        batches
          .filter((each) => batch === undefined || each === batch)
          .map((each) => ({ bench, model, imageSize, batch: each })),
      ),
    );
}

const inBench = (name: string) => fileURLToPath(new URL(`../../bench/${name}`, import.meta.url));
const beside = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));
/** glibc keeps and reuses every page: what an allocator of one's own gives PyTorch. */
const KEEP_PAGES = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "100000000000",
  MALLOC_TOP_PAD_: "100000000",
  GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
};

/** What makes every program take the processor for one with AVX2 alone: oneDNN 2 and 3, and libtorch's own kernels. ONNX Runtime cannot be told. */
const AVX2_ALONE = {
  DNNL_MAX_CPU_ISA: "AVX2",
  ONEDNN_MAX_CPU_ISA: "AVX2",
  ATEN_CPU_CAPABILITY: "avx2",
};

export type Isa = "avx2" | undefined;

/** What a program prints as its last line. */
function run<Printed = Measured>(program: string, args: readonly string[], environment = {}): Printed {
  const ran = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...environment } });
  const line = ran.stdout?.trim().split("\n").at(-1) ?? "";
  if (ran.status !== 0 || line === "") throw new Error(`${program} ${args.join(" ")} failed:\n${ran.stderr}`);
  return JSON.parse(line) as Printed;
}

/** As many steps as take a few seconds, at least two. */
const stepsOf = ({ imageSize, batch }: StepCase) =>
  Math.max(2, Math.min(20, Math.round(4e6 / (imageSize ** 2 * batch))));

/** What is measured in turn, by the names it has in rows. */
function programs(given: StepCase, precision: Row["precision"], isa: Isa): Record<string, () => Measured> {
  const all = precision === "int8" ? {} : trainers(given, precision, isa);
  // ONNX Runtime cannot be told what to take the processor for.
  const runtimes = given.bench === "inference" && isa === undefined ? onnxRuntimes(given, precision) : {};
  return { ...all, ...runtimes };
}

/** knack and PyTorch, which train and evaluate. */
function trainers(given: StepCase, precision: "fp32" | "bf16", isa: Isa): Record<string, () => Measured> {
  const limited = isa && AVX2_ALONE;
  const { bench, model, imageSize, batch } = given;
  const args = [model, imageSize, batch, stepsOf(given), bench].map(String);
  const pytorch =
    (tuning: string, environment = {}) =>
    () =>
      run(python, [inBench("step.py"), ...args, tuning, precision], { ...environment, ...limited });
  return {
    knack: () => run(process.execPath, [beside("step.js"), ...args, precision], limited),
    "pytorch-eager": pytorch("eager"),
    "pytorch-tuned": pytorch("tuned", KEEP_PAGES),
    ...(hasCompile() && { "pytorch-compiled": pytorch("compiled", KEEP_PAGES) }),
  };
}

/** What computes ONNX files: in int8 knack too. Those of Python where it has them, else ONNX Runtime for Node, in fp32. */
function onnxRuntimes(given: StepCase, precision: Row["precision"]): Record<string, () => Measured> {
  const { model, imageSize, batch } = given;
  const sizes = [imageSize, batch, stepsOf(given)].map(String);
  const files = new Map<string, string>();
  const fileOf = (form: "fp32" | "int8"): string => {
    const file = files.get(form) ?? join(mkdtempSync(join(tmpdir(), "knack-bench-")), `${model}-${form}.onnx`);
    if (!files.has(form))
      execFileSync(process.execPath, [beside("onnx-file.js"), model, String(imageSize), file, form]);
    files.set(form, file);
    return file;
  };
  const byKnack = (form: "fp32" | "int8") => () =>
    run(process.execPath, [beside("onnx-step.js"), fileOf(form), ...sizes]);
  const byPeer = (runtime: "openvino" | "onnxruntime", form: "fp32" | "int8") => () =>
    run(python, [inBench("onnx_peer.py"), fileOf(form), ...sizes, runtime, precision]);
  return {
    ...(precision === "int8" && { knack: byKnack("int8") }),
    ...(hasModule("openvino") && { openvino: byPeer("openvino", precision === "int8" ? "int8" : "fp32") }),
    // It has no bf16.
    ...(precision !== "bf16" && {
      onnxruntime: hasModule("onnxruntime") ? byPeer("onnxruntime", "fp32") : byKnack(precision),
    }),
  };
}

/** In a process of its own, like everything that is measured: this one stays small. */
function limitOf({ bench, model, imageSize, batch }: StepCase, precision: "fp32" | "bf16", isa: Isa): number {
  const args = [model, imageSize, batch, bench, precision].map(String);
  return run<{ seconds: number }>(process.execPath, [beside("limit.js"), ...args], isa && AVX2_ALONE).seconds;
}

let compiles: boolean | undefined;

/** Whether the peer is PyTorch 2 with what its compiler needs (a C++ compiler, Python's headers): that is one of the ways to run it. */
function hasCompile(): boolean {
  const program = "import torch; torch.compile(torch.nn.Linear(2, 2))(torch.zeros(1, 2))";
  compiles ??= spawnSync(python, ["-c", program]).status === 0;
  return compiles;
}

/** Whether Python finds a module. */
function hasModule(name: string): boolean {
  return spawnSync(python, ["-c", `import ${name}`]).status === 0;
}

/** @param isa what the processor is taken for, by all programs alike; undefined for what it is */
export function measureSteps(given: StepCase, precision: Row["precision"], rounds: number, isa: Isa): StepRow {
  const all = programs(given, precision, isa);
  const found: Record<string, Measured[]> = {};
  const limits: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [name, program] of Object.entries(all)) {
      found[name] ??= [];
      found[name].push(program());
    }
    if (precision !== "int8") limits.push(given.batch / limitOf(given, precision, isa));
  }
  const each = (value: (measured: Measured) => number) =>
    Object.fromEntries(Object.entries(found).map(([name, list]) => [name, median(list.map(value))]));
  const { knack = 0, ...others } = each(({ seconds }) => given.batch / median(seconds));
  const pytorch = Object.keys(others).filter((name) => name.startsWith("pytorch-"));
  const peers = {
    ...others,
    ...(pytorch.length > 0 && { "pytorch-best": Math.max(...pytorch.map((name) => others[name] ?? 0)) }),
    ...(limits.length > 0 && { limit: median(limits) }),
  };
  return {
    ...given,
    precision,
    unit: "images/s",
    knack,
    peers,
    ratios: Object.fromEntries(Object.entries(peers).map(([name, rate]) => [name, knack / rate])),
    firstStepSeconds: each(({ first }) => first),
    peakMegabytes: each(({ peakBytes }) => peakBytes / 1e6),
  };
}
