/**
 * What knack is measured against: Debian's PyTorch in a Python process of its own. A missing Python fails the test that asked
 * for it, since a comparison that was skipped has shown nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/weights/safetensors/safetensors.js";

/** The repository: tests run from dist/test, the Python sources stay in test/python. */
export const repositoryRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

let python: string | undefined;

/**
 * The standard output of test/python/`script`.
 *
 * @throws Error with the script's standard error where it fails
 */
export function runPython(script: string, ...args: string[]): string {
  python ??= findPython();
  const { status, signal, stdout, stderr } = spawnSync(python, [join(repositoryRoot, "test/python", script), ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    // Two threads that wait for each other on a busy machine's two cores are far slower than one.
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  if (status !== 0) throw new Error(`${python} ${script} ended with ${signal ?? status}:\n${stderr}`);
  return stdout;
}

/** Runs a script as `script INPUT OUTPUT ...args`, both safetensors files, and returns the tensors it wrote to OUTPUT. */
export function askPython(
  script: string,
  tensors: ReadonlyMap<string, RawTensor>,
  ...args: string[]
): Map<string, RawTensor> {
  const folder = mkdtempSync(join(tmpdir(), "knack-oracle-"));
  try {
    const [input, output] = [join(folder, "input.safetensors"), join(folder, "output.safetensors")];
    writeFileSync(input, encodeSafetensors(tensors));
    runPython(script, input, output, ...args);
    return decodeSafetensors(readFileSync(output), output).tensors;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function findRoot(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : findRoot(dirname(folder));
}

function findPython(): string {
  const wanted = process.env.KNACK_PYTHON;
  const candidates = wanted ? [wanted] : ["/usr/bin/python3", "python3"];
  const probe =
    "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in ('torch', 'torchvision')))";
  const found = candidates.find((candidate) => spawnSync(candidate, ["-c", probe]).status === 0);
  if (found) return found;
  throw new Error(
    `no Python with torch and torchvision (tried ${candidates.join(", ")}): ` +
      "install python3-torch and python3-torchvision, or name one in KNACK_PYTHON",
  );
}
