/** The libraries below libtorch get their settings whichever thread uses knack first. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { usableProcessors } from "../../src/base/limits.js";
import { cpuFlags } from "../../src/native/cpu/cpu-flags.js";
import { computingThreads, settleLibraries } from "../../src/native/torch/library-settings.js";

const index = new URL("../../src/index.js", import.meta.url).href;
const addon = new URL("../../src/native/torch/addon.js", import.meta.url).href;
/** Uses libtorch in a worker, and then shows what C libraries see, which is what the main thread's process.env is. */
const SCRIPT = `const { Worker } = await import("node:worker_threads");
  const code = \`import(${JSON.stringify(index)}).then(async ({ Tensor }) => {
    Tensor.from(new Float32Array(1), [1]);
    const { addon } = await import(${JSON.stringify(addon)});
    require("node:worker_threads").parentPort.postMessage(addon.threads());
  })\`;
  const worker = new Worker(code, { eval: true, execArgv: [] });
  worker.on("message", (threads) => { seen.threads = threads; });
  const seen = {};
  await new Promise((done) => worker.on("exit", done));
  const { OPENBLAS_CORETYPE, GOMP_SPINCOUNT, OMP_NUM_THREADS } = process.env;
  console.log(JSON.stringify({ ...seen, OPENBLAS_CORETYPE, GOMP_SPINCOUNT, OMP_NUM_THREADS }));`;

function settings(variables: NodeJS.ProcessEnv) {
  const { OPENBLAS_CORETYPE: _, GOMP_SPINCOUNT: __, OMP_NUM_THREADS: ___, OMP_WAIT_POLICY: ____, ...env } = process.env;
  const options = { encoding: "utf8", env: { ...env, ...variables } } as const;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", SCRIPT], options);
  return { ...JSON.parse(stdout || "{}"), stderr };
}

const CORE_TYPE = cpuFlags().has("avx512f") ? { OPENBLAS_CORETYPE: "SKYLAKEX" } : {};
const whereLinux = { skip: process.platform !== "linux" && "only Linux needs them" };

test("in a worker alone", whereLinux, () => {
  const { threads: _, stderr, ...seen } = settings({});
  assert.deepEqual([seen, stderr], [{ ...CORE_TYPE, GOMP_SPINCOUNT: "3000" }, ""]);
});

test("what the user has set stays", whereLinux, () => {
  const own = { OPENBLAS_CORETYPE: "HASWELL", GOMP_SPINCOUNT: "7", OMP_NUM_THREADS: "1" };
  assert.deepEqual(settings(own), { ...own, threads: 1, stderr: "" });
  assert.equal(settings({ OMP_WAIT_POLICY: "passive" }).GOMP_SPINCOUNT, undefined);
});

test("a number of threads that is none is passed over with a warning", whereLinux, () => {
  const { OMP_NUM_THREADS, stderr } = settings({ OMP_NUM_THREADS: "abc" });
  assert.equal(OMP_NUM_THREADS, undefined);
  assert.match(stderr, /Warning: OMP_NUM_THREADS: must be a whole number above 0, not "abc"/);
  assert.doesNotMatch(stderr, /libgomp|frame #/);
});

const all = usableProcessors();
for (const [value, threads, told] of [
  ...["0", "-1", "abc", "2.5", "1e3", "0x2", "+2", "1,", ",1", "1,0", "2 threads", " "].map(
    (value) => [value, all, /^OMP_NUM_THREADS: must be a whole number above 0, not "/] as const,
  ),
  ...["1000", "99999999999999999999", "1000,2", `${availableParallelism() + 1}`].map(
    (value) => [value, all, /^OMP_NUM_THREADS=\d+(,2)?: there are no more than \d+ cores/] as const,
  ),
  ...["1", " 1 ", "1,2", "1 , 1", "01"].map((value) => [value, 1, undefined] as const),
  [`${availableParallelism()}`, availableParallelism(), undefined] as const,
  ["", all, undefined] as const,
]) {
  test(`OMP_NUM_THREADS=${JSON.stringify(value)}`, () => {
    const before = process.env.OMP_NUM_THREADS;
    process.env.OMP_NUM_THREADS = value;
    try {
      const lines: string[] = [];
      settleLibraries((line) => lines.push(line));
      settleLibraries((line) => lines.push(line)); // as each thread does
      assert.equal(computingThreads(), threads);
      assert.equal(lines.length, told ? 1 : 0);
      if (told) assert.match(lines[0] ?? "", told);
      // What is left is what OpenMP will read.
      const left = process.env.OMP_NUM_THREADS;
      assert.equal(left, told || value === "" ? undefined : value);
    } finally {
      if (before === undefined) delete process.env.OMP_NUM_THREADS;
      else process.env.OMP_NUM_THREADS = before;
    }
  });
}
