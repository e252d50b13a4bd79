import { readFileSync } from "node:fs";
import { homeFolder } from "../base/folders.js";
import { addon } from "../native/torch/addon.js";

/** How set-up came by a libtorch; "pip" is `npm run setup -- --from pip`. */
type TorchOrigin = "KNACK_LIBTORCH" | "pip" | "python" | "system";

/** What computes: the libtorch that the addon loaded, and what it computes with. */
export interface Engine {
  readonly libtorch: {
    readonly version: string;
    /** Where set-up found it; null where the addon was built by other means. */
    readonly from: TorchOrigin | null;
    readonly root: string | null;
    /** The instruction sets its own kernels were chosen for: "AVX2", "AVX512", …; null where it does not say. */
    readonly cpuCapability: string | null;
  };
  /** "cpu", then "cuda:0", "cuda:1", … */
  readonly devices: readonly string[];
  /** CPU threads of the calling thread's operators. */
  readonly threads: number;
  readonly blas: {
    readonly name: string;
    /** The file, links followed; null where it is part of libtorch or the system cannot tell. */
    readonly library: string | null;
    /** OPENBLAS_CORETYPE in force: the CPU whose kernels OpenBLAS was told to take. */
    readonly openBlasCoreType: string | null;
  };
  readonly oneDnn: { readonly available: boolean; readonly version: string | null };
}

/** The facts of the engine; homes of users in its paths are written as "~". */
export function describeEngine(): Engine {
  const { version, configuration, oneDnn, cudaDevices } = addon.describeEngine();
  const built = buildRecord();
  return {
    libtorch: {
      // The record first: Debian's 1.13.1 calls itself 1.13.0.
      version: built?.version ?? version,
      from: built?.from ?? null,
      root: built ? withoutHome(built.root) : null,
      cpuCapability: /CPU capability usage: (.+)/.exec(configuration)?.[1] ?? null,
    },
    devices: ["cpu", ...Array.from({ length: cudaDevices }, (_, index) => `cuda:${index}`)],
    threads: addon.threads(),
    blas: {
      ...findBlas(configuration, loadedLibraries()),
      openBlasCoreType: process.env.OPENBLAS_CORETYPE || null,
    },
    oneDnn: { available: oneDnn, version: /MKL-DNN v([\d.]+)/.exec(configuration)?.[1] ?? null },
  };
}

/** Whether cuDNN may try algorithms and take the fastest, or takes one that always computes the same bits. Of the whole process. */
export function makeDeterministic(on: boolean): void {
  addon.setDeterministic(on);
}

interface BuildRecord {
  readonly version: string;
  readonly from: TorchOrigin;
  readonly root: string;
}

/** How set-up came by the libtorch that the addon was compiled against; null where it did not. */
export function torchOrigin(): TorchOrigin | null {
  return buildRecord()?.from ?? null;
}

/** What scripts/build-addon.mjs noted about the libtorch it compiled against. */
function buildRecord(): BuildRecord | undefined {
  try {
    return JSON.parse(readFileSync(new URL("../../../build/addon.json", import.meta.url), "utf8")).libtorch;
  } catch {
    return undefined;
  }
}

/** Paths of the shared libraries in this process, links followed; empty where there is no /proc. */
function loadedLibraries(): string[] {
  try {
    const paths = readFileSync("/proc/self/maps", "utf8").match(/\/.*\.so(\.[\d.]+)?$/gm);
    return [...new Set(paths)];
  } catch {
    return [];
  }
}

/**
 * Which BLAS computes libtorch's matrix products. "generic" is whoever provides libblas.so.3; that comes before any
 * libopenblas, which other libraries may have loaded for themselves.
 *
 * @param configuration libtorch's description of its build
 * @param libraries paths of the loaded libraries, links followed
 */
export function findBlas(
  configuration: string,
  libraries: readonly string[],
): { name: string; library: string | null } {
  const wanted = /BLAS_INFO=(\w+)/.exec(configuration)?.[1] ?? "generic";
  const names = {
    mkl: ["libmkl_rt"],
    open: ["libopenblas"],
    generic: ["libblas.", "libmkl_rt", "libopenblas", "libblis"],
  };
  const candidates = names[wanted as keyof typeof names] ?? [];
  const library = candidates.flatMap((name) => libraries.find((path) => path.includes(`/${name}`)) ?? [])[0];
  return {
    name: blasName(wanted === "generic" ? (library ?? "") : wanted),
    library: library === undefined ? null : withoutHome(library),
  };
}

/** @param from a library's path, or libtorch's word for a BLAS */
function blasName(from: string): string {
  if (/^open$|openblas/.test(from)) return "OpenBLAS";
  if (/mkl/.test(from)) return "MKL";
  if (/blis/.test(from)) return "BLIS";
  if (/atlas/.test(from)) return "ATLAS";
  if (/accelerate|vecLib/i.test(from)) return "Accelerate";
  if (/libblas/.test(from)) return "reference BLAS";
  return from === "" ? "unknown" : from;
}

function withoutHome(path: string): string {
  const home = homeFolder();
  return home !== undefined && path.startsWith(`${home}/`)
    ? `~${path.slice(home.length)}`
    : path.replace(/^\/(home|Users)\/[^/]+/, "~");
}
