/** Where set-up finds a libtorch, and what it compiles the fast engine with, told by folders that look like the real ones. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { repositoryRoot } from "../support/oracle.js";

let scratch = "";
before(() => {
  scratch = mkdtempSync(join(tmpdir(), "knack-libtorch-"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** What a PyTorch folder has of a libtorch, with oneDNN's headers among its own, as newer ones have. */
const TORCH = {
  "include/ATen/ATen.h": "#pragma once",
  "include/oneapi/dnnl/dnnl.hpp": '#error "oneDNN of libtorch"',
  "lib/libtorch_cpu.so": "",
  "version.py": "__version__ = '2.99.0'",
};

/** Evaluates an expression over the functions of a script, in a process with these variables; JSON comes back. */
function evaluate(script: string, expression: string, environment: Record<string, string>) {
  const code = `const s = await import(${JSON.stringify(join(repositoryRoot, "scripts", script))}); console.log(JSON.stringify(await (${expression})));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: scratch,
    encoding: "utf8",
    env: { ...process.env, KNACK_LIBTORCH: "", ...environment },
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}
const found = (environment: Record<string, string>) =>
  evaluate("find-libtorch.mjs", "s.findLibtorch()", environment).libtorch;

test("what --from pip installed comes before python3's and the system's; KNACK_LIBTORCH comes before it", () => {
  const prefix = join(scratch, "cache/knack/from-pip");
  write(join(prefix, "lib/python3.12/site-packages/torch"), TORCH);
  const cache = { XDG_CACHE_HOME: join(scratch, "cache") };
  const { from, version, cuda, libraries } = found(cache);
  assert.deepEqual({ from, version, cuda }, { from: "pip", version: "2.99.0", cuda: false });
  // Its libtorch.so wants CUDA's half, which is not installed.
  assert.deepEqual(libraries, ["c10", "torch_cpu"]);

  const named = join(scratch, "named");
  write(named, TORCH);
  assert.equal(found({ ...cache, KNACK_LIBTORCH: named }).from, "KNACK_LIBTORCH");
  assert.notEqual(found({ XDG_CACHE_HOME: join(scratch, "empty") })?.from, "pip");
  // A relative path is passed over, as XDG says.
  assert.notEqual(found({ XDG_CACHE_HOME: "cache", HOME: join(scratch, "home") })?.from, "pip");
});

test("the fast engine's sources do not see the headers of oneDNN that a libtorch has", () => {
  const torch = join(scratch, "torch");
  write(torch, TORCH);
  const { fault, ok, output } = evaluate(
    "build-addon.mjs",
    `(async () => {
      const oneDnn = s.oneDnnHere();
      if (typeof oneDnn === "string") return { fault: oneDnn, ok: false, output: "" };
      return { fault: null, ...(await s.compiler([...s.cpuFlagsFor(oneDnn).compile, "-fsyntax-only", "src/native/cpu/convolution.cc"])) };
    })()`,
    { KNACK_LIBTORCH: torch },
  );
  // Without oneDNN in the compiler's own folders there is nothing to compile.
  assert.ok(ok || fault !== null, output);
  assert.doesNotMatch(output, /of libtorch/);
});
