import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { refuseLack } from "../../base/lack.js";
import { OtherPrograms, sharedCores } from "../../base/other-programs.js";
import { fashionMnistFolder, openFashionMnist } from "../../data/sources/fashion-mnist.js";
import { type EngineHere, engineHere, FAST_ENGINE_GAIN } from "../../engine/engine-here.js";
import { describeEngine, type Engine } from "../../tensor/engine.js";
import { hasBfloat16 } from "../../tensor/ops.js";
import { describeMachine, type Machine } from "../../run/environment.js";
import { engineOption } from "../options/compute-options.js";
import { modelOption } from "../options/model-option.js";
import type { ModelMemoryOptions } from "./doctor-model.js";
import { canRedraw } from "../output/terminal.js";

/** What `knack doctor` found. */
export interface Findings extends Machine {
  /** The facts of the engine, or the loader's message where it does not load. */
  readonly engine: Engine | string;
  readonly networks: EngineHere;
  /** Whether libtorch computes in bf16 on this CPU; true where the engine does not load. */
  readonly bf16: boolean;
  readonly dataSets: readonly DataSetFacts[];
  /** Cores that other programs kept busy while it looked. */
  readonly busyElsewhere: number;
}

export interface DataSetFacts {
  readonly name: string;
  readonly folder: string;
  /** Images to train and to validate on; null where there are none or they cannot be read. */
  readonly images: { readonly train: number; readonly validation: number } | null;
  /** Why the files that are there cannot be read. */
  readonly fault: string | null;
}

export interface Problem {
  readonly what: string;
  readonly todo: string;
  /** Without a remedy nothing can be trained. */
  readonly essential: boolean;
}

/** A line of the report. */
export interface Line {
  readonly mark: "ok" | "note" | "missing";
  readonly name: string;
  readonly text: string;
  readonly problem?: Problem;
}

/** `knack doctor`: what knack found on this machine, and what to do about what is missing or slow. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("show what knack found on this machine, or how much memory a model's training takes")
    .argument("[model]", "how much memory its training takes, and the largest batch that fits")
    .option("--batch-size <images>", "MODEL: also what this batch size takes")
    .option("--image-size <size>", "MODEL: pixels, 224 or HEIGHTxWIDTH as 192x320 (default: the model's own)")
    .option("--option <key=value>", "MODEL: an option of it, as width=32; may be repeated", modelOption)
    .option("--precision <precision>", "MODEL: fp32, bf16 or fp16")
    .addOption(engineOption())
    .option("--json", "print one JSON object")
    .action(async (model: string | undefined, { json, ...options }: ModelMemoryOptions) => {
      if (model !== undefined) {
        const { printModelMemory } = await import("./doctor-model.js");
        return printModelMemory(model, { ...options, json });
      }
      if (Object.keys(options).length > 0) {
        throw new InputError("--batch-size, --image-size, …: they are about a model: knack doctor MODEL");
      }
      const findings = await look();
      const lines = examine(findings);
      const problems = lines.flatMap(({ problem }) => problem ?? []);
      if (json) {
        const { engine, bf16: _, ...facts } = findings;
        const engineFacts = typeof engine === "string" ? {} : engine;
        process.stdout.write(`${JSON.stringify({ ...facts, ...engineFacts, problems }, null, 2)}\n`);
      } else {
        process.stdout.write(report(findings, lines));
      }
      if (problems.some(({ essential }) => essential)) process.exitCode = 1;
    });
}

/** How long other programs are watched, in milliseconds. */
const WATCHED = 300;

async function look(): Promise<Findings> {
  const engine = findEngine();
  const others = new OtherPrograms();
  await setTimeout(WATCHED);
  const busyElsewhere = others.processors();
  return {
    busyElsewhere,
    ...describeMachine(),
    engine,
    networks: engineHere(),
    bf16: typeof engine === "string" || hasBfloat16(),
    dataSets: [findFashionMnist()],
  };
}

function findEngine(): Engine | string {
  try {
    return describeEngine();
  } catch (error) {
    refuseLack(error);
    const { cause } = error as Error;
    const message = cause instanceof Error ? cause.message : String(error);
    return message.split("\n", 1)[0] ?? "";
  }
}

function findFashionMnist(): DataSetFacts {
  const facts = { name: "fashion-mnist", folder: fashionMnistFolder(), images: null, fault: null };
  if (!existsSync(facts.folder)) return facts;
  try {
    const { train, validation } = openFashionMnist();
    return { ...facts, images: { train: train.count, validation: validation.count } };
  } catch (error) {
    return { ...facts, fault: error instanceof Error ? error.message : String(error) };
  }
}

/** Turns what was found into the lines of the report, with a problem where something is missing or slow. */
export function examine(findings: Findings): Line[] {
  const { engine, cpu } = findings;
  return [
    ok("Node", findings.node),
    ok("system", `${findings.os}, ${findings.platform}`),
    ok("processor", `${cpu.model}, ${count(cpu.cores, "core")}`),
    ok("instructions", cpu.instructionSets.join(" ") || "not known"),
    ok("memory", `${(findings.memory / 2 ** 30).toFixed(1)} GiB`),
    ...(typeof engine === "string" ? [engineMissing(engine)] : examineEngine(engine, findings)),
    ...findings.dataSets.map(examineDataSet),
  ];
}

function engineMissing(message: string): Line {
  return missing("libtorch", {
    what: `the addon with libtorch does not load: ${message}`,
    todo: "run `npm run setup`: it finds or installs libtorch and builds the addon against it",
    essential: true,
  });
}

function examineEngine(engine: Engine, machine: Findings): Line[] {
  return [
    examineNetworks(engine, machine.networks),
    ok("libtorch", libtorchText(engine.libtorch)),
    examineDevices(engine, machine),
    examineThreads(engine, machine),
    examineBlas(engine, machine),
    examineOneDnn(engine),
    examineBfloat16(engine, machine),
  ];
}

/** Which engine computes networks. */
function examineNetworks({ devices }: Engine, { name, oneDnn, fault, remedy }: EngineHere): Line {
  if (fault === null) return ok("engine", `${name}, by oneDNN ${oneDnn}, which ${FAST_ENGINE_GAIN}`);
  const why = `the fast one is not to be had: ${fault}`;
  if (remedy === null || hasGpu(devices)) return ok("engine", `${name}, since ${why}`);
  return note("engine", name, { what: `${why}. It ${FAST_ENGINE_GAIN}`, todo: `\`${remedy}\`` });
}

function libtorchText({ version, from, root, cpuCapability }: Engine["libtorch"]): string {
  const origins = {
    KNACK_LIBTORCH: "KNACK_LIBTORCH",
    pip: "from pip",
    python: "Python's torch",
    system: "the system's",
  };
  const origin = from === null ? "" : `, ${origins[from]} in ${root}`;
  return `${version}${origin}${cpuCapability === null ? "" : `, uses ${cpuCapability}`}`;
}

function examineDevices({ devices }: Engine, { nvidiaGpu }: Machine): Line {
  const text = devices.join(", ");
  if (!nvidiaGpu || hasGpu(devices)) return ok("devices", text);
  return note("devices", text, {
    what: "this machine has an NVIDIA GPU that libtorch does not use",
    todo: "check with `nvidia-smi` that its driver works, then name a libtorch with CUDA in KNACK_LIBTORCH and run `npm run setup`",
  });
}

function examineThreads({ threads }: Engine, { cpu, busyElsewhere }: Findings): Line {
  const shared = sharedCores(busyElsewhere, threads, cpu.cores);
  if (shared !== undefined) {
    return note("threads", String(threads), {
      what: `${shared}: training shares them, and what is measured now is too slow`,
      todo: "end what is not needed (`top` shows it), or give both their cores by `taskset`",
    });
  }
  if (threads > 1 || cpu.cores === 1) return ok("threads", String(threads));
  return note("threads", String(threads), {
    what: `libtorch computes on 1 of ${cpu.cores} cores, because this process may use no more`,
    todo: "start it without OMP_NUM_THREADS or taskset, or allow the container or batch job more cores",
  });
}

function examineBlas({ blas, devices }: Engine, { cpu }: Machine): Line {
  const coreType = blas.name === "OpenBLAS" ? blas.openBlasCoreType : null;
  const text = `${blas.name}${coreType ? ` (${coreType})` : ""}${blas.library === null ? "" : ` ${blas.library}`}`;
  if (hasGpu(devices)) return ok("BLAS", text);
  if (blas.name === "reference BLAS") {
    const multiarch = /\/lib\/([^/]+)\//.exec(blas.library ?? "")?.[1];
    return note("BLAS", text, {
      what: "the reference BLAS is many times slower than OpenBLAS",
      todo:
        "`apt-get install libopenblas0-pthread`; where that is installed, choose it by " +
        `\`update-alternatives --config libblas.so.3${multiarch ? `-${multiarch}` : ""}\``,
    });
  }
  if (coreType && cpu.instructionSets.includes("avx512f") && !AVX512_KERNELS.includes(coreType.toUpperCase())) {
    return note("BLAS", text, {
      what: `OPENBLAS_CORETYPE=${coreType} keeps OpenBLAS from using AVX-512`,
      todo: "unset OPENBLAS_CORETYPE, unless results must equal those of another machine",
    });
  }
  return ok("BLAS", text);
}

/** The values of OPENBLAS_CORETYPE that stand for AVX-512. */
const AVX512_KERNELS = ["SKYLAKEX", "COOPERLAKE", "SAPPHIRERAPIDS"];

function examineOneDnn({ oneDnn, devices }: Engine): Line {
  if (oneDnn.available) return ok("oneDNN", `${oneDnn.version ?? "yes"}, of libtorch`);
  if (hasGpu(devices)) return ok("oneDNN", "no");
  return note("oneDNN", "no", {
    what: "this libtorch has no oneDNN: convolutions on the CPU are several times slower",
    todo: "name a libtorch built with oneDNN in KNACK_LIBTORCH and run `npm run setup`",
  });
}

function examineBfloat16({ devices }: Engine, { cpu, platform, bf16 }: Findings): Line {
  const native = ["avx512_bf16", "amx_bf16", "bf16"].find((name) => cpu.instructionSets.includes(name));
  if (hasGpu(devices)) return ok("bf16", "on the GPU");
  if (!bf16) {
    return note("bf16", "by fp32, rounded", {
      what: "oneDNN has no bf16 for this processor: it is computed in fp32 and rounded, slower than fp32",
      todo: "train with --precision fp32",
    });
  }
  if (native) return ok("bf16", `by ${native}`);
  if (!platform.startsWith("linux")) return ok("bf16", "not known");
  return note("bf16", "no instructions for it", {
    what: "this processor has no bf16 instructions: bf16 is slower than fp32 here",
    todo: "train with --precision fp32",
  });
}

function hasGpu(devices: readonly string[]): boolean {
  return devices.some((device) => device !== "cpu");
}

function examineDataSet({ name, folder, images, fault }: DataSetFacts): Line {
  const number = (value: number) => value.toLocaleString("en");
  if (images !== null) return ok(name, `${number(images.train)} + ${number(images.validation)} images in ${folder}`);
  return missing(name, {
    what: fault ?? `${name} is not in ${folder}`,
    todo: process.env.KNACK_FASHION_MNIST
      ? "name the folder of its four IDX files in KNACK_FASHION_MNIST, or unset it"
      : "`apt-get install dataset-fashion-mnist`, or name the folder of its four IDX files in KNACK_FASHION_MNIST",
    essential: false,
  });
}

function ok(name: string, text: string): Line {
  return { mark: "ok", name, text };
}

function note(name: string, text: string, problem: { what: string; todo: string }): Line {
  return { mark: "note", name, text, problem: { ...problem, essential: false } };
}

function missing(name: string, problem: Problem): Line {
  return { mark: "missing", name, text: problem.what, problem };
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

const COLOURS = { ok: 32, note: 33, missing: 31 };
const INDENT = 24;

/** The report for people; it fits the terminal, 80 columns where there is none. */
function report({ knack }: Findings, lines: readonly Line[]): string {
  const width = Math.min(process.stdout.columns || 80, 100) - INDENT;
  const colours = canRedraw(process.stdout) && process.stdout.hasColors();
  const rows = lines.flatMap(({ mark, name, text, problem }) => {
    const painted = colours ? `\u001b[${COLOURS[mark]}m${mark}\u001b[0m` : mark;
    const head = `  ${painted}${" ".repeat(8 - mark.length)}${name.padEnd(INDENT - 10)}`;
    const paragraphs = new Set(problem ? [text, problem.what, `-> ${problem.todo}`] : [text]);
    const rest = [...paragraphs].flatMap((paragraph) => wrap(paragraph, width));
    return rest.map((line, index) => `${index === 0 ? head : " ".repeat(INDENT)}${line}\n`);
  });
  return `knack ${knack}\n\n${rows.join("")}\n${conclusion(lines)}\n`;
}

function conclusion(lines: readonly Line[]): string {
  const essential = lines.filter(({ problem }) => problem?.essential).map(({ name }) => name);
  if (essential.length > 0) return `Training cannot run without ${essential.join(" and ")}.`;
  const found = lines.find(({ name, mark }) => name === "fashion-mnist" && mark === "ok");
  return `Training can run: knack train ${found ? "fashion-mnist" : "FOLDER"}`;
}

/** Breaks a line at blanks; a longer word keeps a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
