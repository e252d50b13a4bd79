/** `--device cuda` on a simulated GPU (test/support/simulated-gpu.cc): it computes what the CPU does, and the CPU waits for it only where it has to. */
import "../support/simulated-gpu.js";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { addon } from "../../src/native/torch/addon.js";
import { add, toDevice } from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { arrive, send } from "../../src/tensor/transfer.js";
import type { TrainEvent } from "../../src/run/events.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { Recipe } from "../../src/recipe/recipe.js";
import { runSession } from "../../src/run/session.js";
import { repositoryRoot } from "../support/oracle.js";
import {
  DEVICE_CASES,
  EVALUATED,
  OVERFLOWING,
  PLAIN,
  recipeOf,
  TINY,
  trained,
  type Where,
} from "../support/device-cases.js";
import { randomData } from "../support/random-data.js";
import { SIMULATED_GPU, simulatedGpu } from "../support/simulated-gpu.js";
import { writeTinyData } from "../support/tiny-data.js";
import { whereBf16 } from "../support/bf16.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const skip = simulatedGpu ? false : "the simulated GPU is written for a libtorch 1.13 without CUDA";
/** What happened on the GPU since this was last asked. */
const traced = () => simulatedGpu?.traced() ?? "";
const waits = (trace: string) => trace.split("w").length - 1;

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "knack-gpu-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the simulation refuses operators of both devices, and holds back what was not waited for", { skip }, () => {
  scope(() => {
    const here = Tensor.from([1, 2, 3]);
    const there = toDevice(here, "cuda");
    assert.throws(() => add(here, there), /tensors to be on the same device/);
    assert.deepEqual(add(there, there).toArray(), [2, 4, 6]);
    const sent = send(here, "cuda");
    assert.deepEqual(add(sent, there).toArray(), [Number.NaN, Number.NaN, Number.NaN]);
    arrive(sent);
    assert.deepEqual(add(sent, there).toArray(), [2, 4, 6]);
  });
});

for (const [name, example] of Object.entries(DEVICE_CASES)) {
  if (example.onCpu) continue; // the simulated GPU lacks what the CPU lacks
  // The simulated GPU computes as this processor does.
  const without = skip || (example.recipe.precision === "bf16" && whereBf16.skip);
  test(`${name}: a GPU trains to the CPU's bits, and each step waits for it once`, { skip: without }, () =>
    withFolder(async (folder) => {
      const before = liveTensors();
      const recipe = recipeOf(example, folder);
      const counted = { step: [] as number[], evaluation: [] as number[] };
      const watch: Where["watch"] = async (part, run) => {
        traced();
        const result = await run();
        counted[part].push(waits(traced()));
        return result;
      };
      const cpu = await trained(recipe, example.side ?? 16, { device: "cpu", engine: PLAIN });
      const gpu = await trained(recipe, example.side ?? 16, { device: "cuda", engine: PLAIN, watch });
      assert.deepEqual(gpu, cpu);
      assert.equal(gpu.skippedSteps > 0, name === OVERFLOWING, "steps that overflow are skipped, no others");
      // Of an evaluation one for whether the weights are finite, one for the results; then all is computed, and the scores are fetched batch by batch.
      assert.deepEqual(counted, { step: [1, 1, 1], evaluation: [2 + EVALUATED] });
      assert.equal(liveTensors(), before);
    }),
  );
}

test("a batch is copied while the GPU computes the step before it", { skip }, () =>
  withFolder(async (folder) => {
    const data = randomData(32, 16);
    const options = { data, recipe: parseRecipe({ ...TINY, epochs: 1 }, "the test's recipe") };
    let steps = "";
    for await (const event of session({ ...options, out: join(folder, "run"), device: "cuda" })) {
      if (event.type === "audit") traced();
      if (event.type === "step" || event.type === "epoch") steps += traced();
    }
    // "aa" is a batch on its way, its pixels and its labels, "rr" is that it must be there now; what is asked for before a "w" is computed meanwhile.
    const first = "aarro aaw";
    const next = "orro aaw";
    const last = "orro w";
    // The checkpoint before the validation takes every weight from the GPU, and waits for each.
    const checkpoint = "o W";
    // It ends with its results, and with the scores of its one batch.
    const evaluation = "ow o aarro W";
    assert.equal(
      steps.replace(/[oc]+/g, "o").replace(/w{2,}/g, "W"),
      [first, next, next, last, checkpoint, evaluation].join("").replaceAll(" ", ""),
    );
  }),
);

test("a run on a GPU that was stopped and resumed ends with the CPU's bits", { skip }, () =>
  withFolder(async (folder) => {
    const data = randomData(32, 16);
    const recipe = parseRecipe({ ...TINY, mixup: { alpha: 0.2 } }, "the test's recipe");
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    for await (const _ of session({ data, recipe, out: whole, device: "cpu" }));
    let steps = 0;
    for await (const event of session({ data, recipe, out: stopped, device: "cuda" }, () => steps >= 6)) {
      if (event.type === "step") steps++;
      if (event.type === "interrupted") assert.equal(event.step, 6);
    }
    for await (const _ of runSession({ resume: stopped, data, device: "cuda", workers: 0 }, () => false));
    const weightsOf = (run: string) => readFileSync(join(run, "checkpoints/last/model.safetensors"));
    assert.deepEqual(weightsOf(stopped), weightsOf(whole));
  }),
);

function session(
  options: { data: ReturnType<typeof randomData>; recipe: Recipe; out: string; device: string },
  shouldStop = () => false,
): AsyncGenerator<TrainEvent> {
  return runSession({ ...options, workers: 0, engine: PLAIN }, shouldStop);
}

test("the commands that compute take --device cuda", { skip }, () =>
  withFolder((folder) => {
    const knack = (...args: string[]) => {
      const environment = { ...process.env, OMP_NUM_THREADS: "1", NODE_OPTIONS: `--require ${SIMULATED_GPU}` };
      return execFileSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...args], {
        cwd: folder,
        encoding: "utf8",
        env: environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
    };
    writeTinyData(join(folder, "data"));
    const model = "--model resnet18_small --option width=8 --batch-size 32 --lr 0.05 --epochs 2".split(" ");
    assert.match(knack("doctor"), /cuda:0/);
    knack("train", "data", ...model, "--device", "cuda", "--out", "run");
    const evaluated = (device: string) => JSON.parse(knack("eval", "run", "data", "--json", "--device", device));
    const [cpu, gpu] = [evaluated("cpu"), evaluated("cuda")];
    assert.deepEqual([gpu.top1, gpu.top5, gpu.images], [cpu.top1, cpu.top5, cpu.images]);
    assert.ok(Math.abs(gpu.loss - cpu.loss) < 1e-4 && cpu.images === 64);
  }),
);
