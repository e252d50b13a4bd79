// Compiles test/support/simulated-gpu.cc into build/simulated-gpu.node, for the tests of --device cuda.
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compiler, flagsFor } from "./build-addon.mjs";
import { findLibtorch } from "./find-libtorch.mjs";
import { root, stampOf, writeWhole } from "./stamp.mjs";

const SOURCE = "test/support/simulated-gpu.cc";
const ADDON = "build/simulated-gpu.node";
const STAMP = "build/simulated-gpu.stamp";

/** Builds it unless it is up to date, or the libtorch is another than it is written for. @throws {Error} with the compiler's output */
export async function buildSimulatedGpu() {
  const { libtorch } = findLibtorch();
  if (!libtorch?.version.startsWith("1.13.") || libtorch.cuda) {
    rmSync(join(root, ADDON), { force: true });
    return console.log(
      "simulated GPU: not built, it is written for a libtorch 1.13 without CUDA; its tests are skipped",
    );
  }
  const flags = flagsFor(libtorch);
  const stamp = stampOf([SOURCE], [libtorch, flags]);
  const current = [ADDON, STAMP].every((file) => existsSync(join(root, file)));
  if (current && readFileSync(join(root, STAMP), "utf8") === stamp) return console.log("simulated GPU: up to date");
  console.log("simulated GPU: compiling …");
  const { ok, output } = await compiler([...flags.compile, SOURCE, "-o", `${ADDON}.new`, ...flags.link]);
  if (!ok) throw new Error(`compiling ${SOURCE} failed:\n${output}`);
  renameSync(join(root, `${ADDON}.new`), join(root, ADDON));
  writeWhole(STAMP, stamp);
}
