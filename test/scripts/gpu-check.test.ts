/** scripts/gpu-check, as far as it can be tested without a GPU; `scripts/gpu-check/run.sh OUT --device cpu` takes all of its steps. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DEFAULT_ENGINE, type EngineChoice } from "../../src/engine/engine-name.js";
import { whyNoFastEngine } from "../../src/engine/engine.js";
import { DEVICE_CASES, type DeviceCase, PLAIN, recipeOf, trained } from "../support/device-cases.js";
import { compareWithCpu, differenceOf, isWithin, toleranceOf } from "../support/device-difference.js";
import { repositoryRoot } from "../support/oracle.js";
import { SIMULATED_GPU, simulatedGpu } from "../support/simulated-gpu.js";

let scratch = "";
before(() => {
  scratch = mkdtempSync(join(tmpdir(), "knack-gpu-check-"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

const script = (name: string) => join(repositoryRoot, "scripts/gpu-check", name);

function node(args: readonly string[], environment: Record<string, string> = {}) {
  const env = { ...process.env, OMP_NUM_THREADS: "1", ...environment };
  return spawnSync(process.execPath, args, { cwd: repositoryRoot, encoding: "utf8", env });
}

const IN_FULL = DEVICE_CASES["every trick in fp32"] as DeviceCase;
const FAST: EngineChoice = { ...DEFAULT_ENGINE, engine: "fast", winograd: false };
const withoutFast = { skip: whyNoFastEngine({ device: "cpu", precision: "fp32" }) ?? false };

test("what only rounds differently is within the tolerance, another recipe is not", withoutFast, async () => {
  // The fast engine stands for a device: it adds up in another order.
  const rounded = await compareWithCpu(IN_FULL, { device: "cpu", engine: FAST });
  assert.ok(rounded.weights > 0);
  assert.ok(isWithin(rounded, toleranceOf(IN_FULL)), JSON.stringify(rounded));

  const folder = join(scratch, "other");
  mkdirSync(folder);
  const recipe = { ...recipeOf(IN_FULL, folder), lr: 1e-6 };
  const asked = await trained(recipe, 16, { device: "cpu", engine: PLAIN });
  const others = {
    "other targets": { labelSmoothing: { epsilon: 0.12, spread: "others" as const } },
    "no momentum": { momentum: 0 },
    "decay of all": { noBiasDecay: false, weightDecay: 0.01 },
    "other averages": { ema: { decay: 0.8 } },
  };
  for (const [what, changed] of Object.entries(others)) {
    const other = await trained({ ...recipe, ...changed }, 16, { device: "cpu", engine: PLAIN });
    assert.ok(!isWithin(differenceOf(asked, other), toleranceOf(IN_FULL)), what);
  }
});

const withoutGpu = { skip: simulatedGpu ? false : "the simulated GPU is written for a libtorch 1.13 without CUDA" };

test("the cases run on a GPU one by one, and say how far it is from the CPU", withoutGpu, () => {
  const cases = ["every trick in fp32", "a frozen backbone"];
  const { status, stdout, stderr } = node(
    ["--require", SIMULATED_GPU, "dist/test/children/tricks-on-device.js", "cuda", ...cases],
    { NVIDIA_TF32_OVERRIDE: "0" },
  );
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split("\n");
  const results = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    results.map((result) => [result.case, result.passed, result.losses, result.weights, result.draws]),
    cases.map((name) => [name, true, 0, 0, 1]),
  );
});

test("CIFAR-10 travels as pictures: labels and test images as they were, training images nearly", () => {
  const [from, sheets, to] = ["from", "sheets", "to"].map((name) => join(scratch, name)) as [string, string, string];
  mkdirSync(from);
  // Smooth pictures, as photographs are: a slope in each channel.
  const records = (count: number) =>
    Buffer.concat(
      Array.from({ length: count }, (_, image) => {
        const pixels = Array.from({ length: 3 * 1024 }, (_, at) => (image + (at % 32) * 3 + (at >> 8) * 5) & 255);
        return Buffer.from([image % 10, ...pixels]);
      }),
    );
  const files = { "data_batch_1.bin": records(130), "data_batch_2.bin": records(20), "test_batch.bin": records(110) };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(from, name), content);
  const code = `const c = await import(${JSON.stringify(script("cifar.mjs"))});
    await c.packCifar(${JSON.stringify(from)}, ${JSON.stringify(sheets)});
    console.log(JSON.stringify(await c.unpackCifar(${JSON.stringify(sheets)}, ${JSON.stringify(to)})));`;
  const { status, stdout, stderr } = node(["--input-type=module", "-e", code]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { training: 150, validation: 110 });
  for (const [name, content] of Object.entries(files)) {
    const back = readFileSync(join(to, name));
    assert.equal(back.length, content.length);
    if (name.startsWith("test")) assert.ok(back.equals(content));
    for (let at = 0; at < back.length; at += 3073) assert.equal(back[at], content[at], "a label");
    const far = back.reduce((sum, byte, at) => sum + Math.abs(byte - (content[at] ?? 0)), 0) / back.length;
    assert.ok(far < 8, `${name}: ${far} on average`);
  }
});

const asked = process.env.KNACK_CARRY === undefined && "half a minute: npm run test:carry";

test("no step loads a package that is not carried", { skip: asked }, async () => {
  const { packagesToCarry } = await import(script("pack.mjs"));
  const hook = join(scratch, "carried-only.mjs");
  const among = `const carried = new Set(${JSON.stringify(packagesToCarry())});
    const check = (path) => { const [, name] = /.*node_modules.((?:@[^/]+.)?[^/]+)/.exec(path) ?? [];
      if (name && !carried.has(name)) throw new Error(name + " is not carried"); };`;
  const resolver = `${among} export async function resolve(...all) { const found = await all[2](all[0], all[1]); check(found.url); return found; }`;
  writeFileSync(
    hook,
    `import Module, { register } from "node:module"; ${among}
    register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(resolver))});
    const load = Module._load;
    Module._load = function (request, parent, main) { check(Module._resolveFilename(request, parent, main)); return load.apply(this, arguments); };`,
  );
  const data = join(scratch, "cifar");
  mkdirSync(data);
  const records = Buffer.alloc(40 * 3073, 1);
  for (const name of ["data_batch_1.bin", "test_batch.bin"]) writeFileSync(join(data, name), records);
  const small = ["--option", "width=4", "--batch-size", "20", "--engine", "plain", "--precision", "fp32"];
  const commands = [
    ["doctor", "--json"],
    ["bench", "resnet20", ...small, "--image-size", "32", "--steps", "1", "--json"],
    ["train", data, "--model", "resnet20", ...small, "--epochs", "1", "--out", join(scratch, "run"), "--json"],
  ];
  for (const command of commands) {
    const { status, stderr } = node(["bin/knack.js", ...command], { NODE_OPTIONS: `--import ${hook}` });
    assert.equal(status, 0, stderr);
  }
});

test("where no time is left, the results say so of every step", () => {
  const { status, stdout } = node([script("steps.mjs"), scratch, "cuda", "0"]);
  assert.equal(status, 1);
  const { device, steps } = JSON.parse(readFileSync(join(scratch, "results.json"), "utf8"));
  assert.equal(device, "cuda");
  assert.equal(steps.length, stdout.trim().split("\n").length);
  for (const { passed, error } of steps) assert.deepEqual([passed, error], [false, "no time was left for it"]);
});
