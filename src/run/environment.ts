import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, release, type } from "node:os";
import { usableMemory } from "../base/limits.js";
import { VERSION } from "../base/version.js";
import { cpuFlags } from "../native/cpu/cpu-flags.js";
import { describeEngine, type Engine } from "../tensor/engine.js";

/** The machine and the programs on it, but for the engine. Nothing names the host or a user. */
export interface Machine {
  /** knack's version. */
  readonly knack: string;
  readonly node: string;
  /** "linux-x64", "darwin-arm64", … */
  readonly platform: string;
  /** "Debian GNU/Linux 12 (bookworm)" */
  readonly os: string;
  readonly cpu: {
    readonly model: string;
    /** Logical processors. */
    readonly cores: number;
    /** Those that matter to training, as Linux names them; only "neon" or nothing where there is no /proc/cpuinfo. */
    readonly instructionSets: readonly string[];
  };
  /** Bytes of memory, or of what a container allows. */
  readonly memory: number;
  /** Whether the system shows an NVIDIA GPU, usable or not. */
  readonly nvidiaGpu: boolean;
}

const INSTRUCTION_SETS = [
  "avx2",
  "fma",
  "avx512f",
  "avx512_bf16",
  "avx512_fp16",
  "amx_bf16",
  "amx_fp16",
  "sve",
  "bf16",
];

/** The facts of this machine; does not load the engine. */
export function describeMachine(): Machine {
  const processors = cpus();
  const flags = cpuFlags();
  const neon = process.arch === "arm64" ? ["neon"] : [];
  return {
    knack: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    os: osName(),
    cpu: {
      model: processors[0]?.model.trim() || "unknown",
      cores: processors.length || availableParallelism(),
      instructionSets: [...neon, ...INSTRUCTION_SETS.filter((name) => flags.has(name))],
    },
    memory: usableMemory(),
    nvidiaGpu: existsSync("/dev/nvidiactl"),
  };
}

/** Where a run ran: the machine and the engine. Every run keeps it as `environment.json`. */
export interface Environment extends Machine, Engine {}

/** The facts of this machine and engine, without names of hosts or users. Takes milliseconds. */
export function describeEnvironment(): Environment {
  return { ...describeMachine(), ...describeEngine() };
}

function osName(): string {
  try {
    const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
    if (name) return name;
  } catch {
    // Only Linux has the file.
  }
  return `${type()} ${release()}`;
}
