// Whether training by several processes can be compiled: libtorch's c10d does it over Gloo, whose headers stand beside libtorch's own.
import { spawnSync } from "node:child_process";

const QUESTION = `#if __has_include(<gloo/config.h>) && __has_include(<torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>)
FOUND
#endif`;

/**
 * @param {readonly string[]} compiler  the C++ compiler's command
 * @param {readonly string[]} flags  what it compiles with libtorch by
 * @returns {string | null} why it cannot; null where it can
 */
export function whyNoGloo([program = "", ...first], flags) {
  if (process.platform !== "linux") return "it is written for Linux";
  const args = [...first, ...flags, "-E", "-P", "-x", "c++", "-"];
  const { stdout } = spawnSync(program, args, { input: QUESTION, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
  return /^FOUND/m.test(stdout ?? "") ? null : "it needs Gloo's headers (libgloo-dev), and Debian's libtorch with them";
}
