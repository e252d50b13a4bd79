// Finds the oneDNN that the fast engine is compiled against: KNACK_ONEDNN, then the one that `npm run setup -- --from pip` has installed beside
// libtorch, then that of the compiler's own folders.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { installedFromPip } from "./from-pip.mjs";

/**
 * @typedef {object} OneDnn
 * @property {"KNACK_ONEDNN" | "pip" | "system"} from
 * @property {string} version  "3.7.2"
 * @property {string | null} includeDir  null where the compiler looks anyway
 * @property {string | null} libDir
 */

const LIB_FOLDERS = ["lib", "lib64", "lib/x86_64-linux-gnu"];

/** What oneDNN's headers say. */
const QUESTION =
  "#include <oneapi/dnnl/dnnl.h>\nFOUND DNNL_VERSION_MAJOR DNNL_VERSION_MINOR DNNL_VERSION_PATCH DNNL_CPU_RUNTIME DNNL_RUNTIME_OMP";

/**
 * @param {readonly string[]} compiler  the C++ compiler's command
 * @returns {OneDnn | string} what is there, or why the fast engine cannot be compiled: it wants oneDNN 2 or 3, with OpenMP
 * @throws {Error} where KNACK_ONEDNN is set but holds no oneDNN
 */
export function findOneDnn(compiler) {
  const wanted = process.env.KNACK_ONEDNN;
  if (wanted) {
    const found = inspect(compiler, "KNACK_ONEDNN", resolve(wanted));
    if (typeof found !== "string") return found;
    throw new Error(
      `KNACK_ONEDNN is no oneDNN for the fast engine: ${resolve(wanted)}: ${found}; name the folder that holds include/ and lib/, or unset the variable`,
    );
  }
  const installed = installedFromPip();
  const fromPip = installed ? inspect(compiler, "pip", installed.prefix) : "";
  return typeof fromPip === "string" ? inspect(compiler, "system", null) : fromPip;
}

/**
 * @param {readonly string[]} compiler
 * @param {OneDnn["from"]} from
 * @param {string | null} prefix
 * @returns {OneDnn | string}
 */
function inspect([program = "", ...first], from, prefix) {
  const includeDir = prefix && join(prefix, "include");
  const libDir =
    prefix && (LIB_FOLDERS.map((lib) => join(prefix, lib)).find((lib) => existsSync(join(lib, "libdnnl.so"))) ?? null);
  if (includeDir && !existsSync(join(includeDir, "oneapi/dnnl/dnnl.h")))
    return "no headers (include/oneapi/dnnl/dnnl.h)";
  if (prefix && libDir === null) return "no library (lib/libdnnl.so)";
  const args = [...first, ...(includeDir ? ["-isystem", includeDir] : []), "-E", "-P", "-x", "c++", "-"];
  const { stdout } = spawnSync(program, args, { input: QUESTION, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
  const [, major, minor, patch, runtime, openMp] = /^FOUND (\d+) (\d+) (\d+) (\S+) (\S+)/m.exec(stdout ?? "") ?? [];
  if (major === undefined) return "it needs oneDNN 2 or 3, whose headers are not here";
  const version = `${major}.${minor}.${patch}`;
  if (major !== "2" && major !== "3") return `it needs oneDNN 2 or 3 and here is ${version}`;
  if (runtime !== openMp) return `it needs oneDNN with OpenMP, and ${version} here has other threads`;
  return { from, version, includeDir, libDir };
}
