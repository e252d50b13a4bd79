/** Which oneDNN the fast engine is compiled against, told by folders that look like the real ones. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../support/oracle.js";
import { scratchFolder } from "../support/scratch-folder.js";

const skip = (process.arch !== "x64" || process.platform !== "linux") && "the fast engine is for x86 and Linux";
const at = scratchFolder("onednn");

function write(prefix: string, version: string, { runtime = "OMP", lib = "lib" } = {}): string {
  const [major, minor, patch] = version.split(".");
  mkdirSync(at(prefix, "include/oneapi/dnnl"), { recursive: true });
  const lines = [
    ...["#define DNNL_RUNTIME_OMP 2", "#define DNNL_RUNTIME_SEQ 1", `#define DNNL_CPU_RUNTIME DNNL_RUNTIME_${runtime}`],
    ...[`#define DNNL_VERSION_MAJOR ${major}`, `#define DNNL_VERSION_MINOR ${minor}`],
    `#define DNNL_VERSION_PATCH ${patch}`,
  ];
  writeFileSync(at(prefix, "include/oneapi/dnnl/dnnl.h"), `${lines.join("\n")}\n`);
  mkdirSync(at(prefix, lib), { recursive: true });
  writeFileSync(at(prefix, lib, "libdnnl.so"), "");
  return at(prefix);
}

/** @returns what was found, why nothing, or the message of the error */
function found(environment: Record<string, string>) {
  const script = JSON.stringify(join(repositoryRoot, "scripts/find-onednn.mjs"));
  const code = `const { findOneDnn } = await import(${script});
    let result; try { result = findOneDnn(["g++"]); } catch (error) { result = error.message; }
    console.log(JSON.stringify(result));`;
  const env = { ...process.env, KNACK_ONEDNN: "", XDG_CACHE_HOME: at("empty"), ...environment };
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
    env,
  });
  return JSON.parse(stdout || JSON.stringify(stderr));
}

test("KNACK_ONEDNN comes before what --from pip installed, and that before the system's", { skip }, () => {
  const named = write("named", "3.2.1", { lib: "lib64" });
  const pip = write("cache/knack/from-pip", "3.1.0");
  mkdirSync(join(pip, "lib/python3.12/site-packages/torch"), { recursive: true });
  const cache = { XDG_CACHE_HOME: at("cache") };
  assert.deepEqual(found({ ...cache, KNACK_ONEDNN: named }), {
    ...{ from: "KNACK_ONEDNN", version: "3.2.1" },
    ...{ includeDir: join(named, "include"), libDir: join(named, "lib64") },
  });
  assert.deepEqual([found(cache).from, found(cache).version], ["pip", "3.1.0"]);
  rmSync(pip, { recursive: true });
  const system = found(cache);
  if (typeof system === "string") assert.match(system, /^it needs oneDNN /);
  else assert.deepEqual([system.from, system.includeDir, system.libDir], ["system", null, null]);
});

test("what KNACK_ONEDNN names and is none is said", { skip }, () => {
  const of = (folder: string) => found({ KNACK_ONEDNN: folder });
  const message = (reason: string) =>
    new RegExp(`^KNACK_ONEDNN is no oneDNN for the fast engine: .*: ${reason}; name the folder`);
  assert.match(of(at("nowhere")), message("no headers .*"));
  assert.match(of(write("four", "4.0.0")), message("it needs oneDNN 2 or 3 and here is 4\\.0\\.0"));
  assert.match(of(write("one", "1.9.0")), message("it needs oneDNN 2 or 3 and here is 1\\.9\\.0"));
  assert.match(of(write("threads", "3.2.1", { runtime: "SEQ" })), message("it needs oneDNN with OpenMP, .*"));
  const empty = write("headers", "2.6.0");
  rmSync(join(empty, "lib"), { recursive: true });
  assert.match(of(empty), message("no library .*"));
});
