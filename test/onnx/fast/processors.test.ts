/** Layers in integers on processors that this one can be made to look like: with VNNI in other registers, and without. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAddon } from "../../../src/native/cpu/addon.js";

const layers = fileURLToPath(new URL("./integer-layers.test.js", import.meta.url));
const block = cpuAddon()?.processor().block ?? null;

for (const set of ["AVX2", "AVX2_VNNI", "AVX512_CORE"]) {
  test(`${set}: each layer is rounded to the nearest integer`, {
    skip: block === null && "the fast engine cannot be had on this machine",
  }, () => {
    const env = {
      ...process.env,
      DNNL_MAX_CPU_ISA: set,
      ONEDNN_MAX_CPU_ISA: set,
      NODE_TEST_CONTEXT: undefined,
      OMP_NUM_THREADS: "1",
    };
    const { status, stdout } = spawnSync(process.execPath, ["--test-reporter=tap", layers], { encoding: "utf8", env });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^# pass 12$/m);
    assert.match(stdout, /^# skipped 0$/m);
  });
}
