/** Which engine a run is computed by: as asked for, kept when it is resumed, and compared by `knack bench`. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { python } from "../../bench/row.js";
import { stepCases } from "../../bench/steps.js";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { type TrainEvent, type TrainOptions, train } from "../../src/index.js";
import { addon } from "../../src/native/torch/addon.js";
import { repositoryRoot } from "../support/oracle.js";
import { writeTinyData } from "../support/tiny-data.js";
import { whereBf16 } from "../support/bf16.js";

// Of this process and its children: two threads that wait for each other on busy cores are far slower than one.
addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-engine-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));
writeTinyData(at("data"));

const fast = FastEngine.open(DEFAULT_ENGINE, { device: "cpu", precision: "fp32" }) !== undefined;
const whereFast = { skip: !fast && "the fast engine cannot be had on this machine" };

const recipe = { model: "resnet18_small", modelOptions: { width: 16 }, batchSize: 32, lr: 0.05, epochs: 2 };

async function eventsOf(options: Partial<TrainOptions>, out: string): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train({ data: at("data"), recipe, out: at(out), ...options })) events.push(event);
  return events;
}

/** Trains three steps, is stopped, and goes on with nothing said but the run's folder. */
async function interrupted(options: Partial<TrainOptions>, out: string): Promise<TrainEvent[]> {
  for await (const event of train({ data: at("data"), recipe, out: at(out), ...options })) {
    if (event.type === "step" && event.step === 3) break;
  }
  const events: TrainEvent[] = [];
  for await (const event of train({ resume: at(out) })) events.push(event);
  return events;
}

const engineOf = ([audit]: readonly TrainEvent[]) => (audit?.type === "audit" ? audit.engine : undefined);
const lossesIn = (run: string): number[] =>
  readFileSync(at(run, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "step")
    .map(({ loss }) => loss);
const environmentOf = (run: string) => JSON.parse(readFileSync(at(run, "environment.json"), "utf8"));

describe("training", () => {
  test("plain is plain, and fast is fast and learns the same", whereFast, async () => {
    assert.equal(engineOf(await eventsOf({ engine: "plain" }, "plain")), "plain");
    assert.equal(engineOf(await eventsOf({ engine: "fast" }, "fast")), "fast");
    assert.equal(engineOf(await eventsOf({}, "auto")), "fast");
    const [plain, quick] = [lossesIn("plain"), lossesIn("fast")];
    assert.deepEqual(lossesIn("auto"), quick);
    assert.notDeepEqual(plain, quick);
    // The first loss is the forward pass's, the second the gradients' too, in which a ReLU or two fell on the other side; later ones drift apart.
    for (const [step, tolerance] of [1e-5, 3e-3].entries()) {
      const [loss = Number.NaN, other = Number.NaN] = [plain[step], quick[step]];
      assert.ok(Math.abs(other - loss) < tolerance * loss, `step ${step + 1}: ${other}, ${loss}`);
    }
  });

  test("a resumed run keeps its engine to the bit", whereFast, async () => {
    assert.equal(engineOf(await interrupted({ engine: "plain" }, "plain-resumed")), "plain");
    assert.deepEqual(lossesIn("plain-resumed"), lossesIn("plain"));
    assert.equal(engineOf(await interrupted({ winograd: false }, "direct-resumed")), "fast");
    await eventsOf({ winograd: false }, "direct");
    assert.deepEqual(lossesIn("direct-resumed"), lossesIn("direct"));
    assert.deepEqual([environmentOf("direct").engine, environmentOf("direct").winograd], ["auto", false]);
  });

  test("a run that does not say its engine was computed by the plain one", async () => {
    const out = at("old");
    for await (const { type } of train({ data: at("data"), recipe, out, engine: "plain" })) if (type === "step") break;
    const { engine: _engine, winograd: _winograd, ...old } = environmentOf("old");
    writeFileSync(join(out, "environment.json"), JSON.stringify(old));
    const events: TrainEvent[] = [];
    for await (const event of train({ resume: out })) events.push(event);
    assert.equal(engineOf(events), "plain");
  });
});

describe("knack bench", () => {
  const bench = (...args: string[]) =>
    spawnSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), "bench", "resnet18_small", ...args], {
      encoding: "utf8",
    });
  const small = "--option width=16 --image-size 32 --batch-size 4 --steps 2".split(" ");

  test("--json: every engine with every precision", whereFast, () => {
    const { status, stdout, stderr } = bench(...small, "--json");
    assert.deepEqual([stderr, status], ["", 0]);
    const { rows, ...rest } = JSON.parse(stdout);
    assert.deepEqual(rest, { model: "resnet18_small", imageSize: 32, batchSize: 4, inference: false });
    assert.deepEqual(
      rows.map(({ engine, precision }: Record<string, string>) => `${engine} ${precision}`),
      ["plain fp32", "fast fp32", "plain bf16", ...(whereBf16.skip ? [] : ["fast bf16"])],
    );
    for (const { engine, imagesPerSecond, firstSeconds, operations } of rows) {
      assert.ok(imagesPerSecond > 0 && firstSeconds > 0);
      assert.equal(operations.length > 0, engine === "fast");
    }
  });

  test("lines for people name the fastest and where its time goes", whereFast, () => {
    const { status, stdout, stderr } = bench(...small, "--inference", "--engine", "fast");
    assert.deepEqual([stderr, status], ["", 0]);
    assert.match(stdout, /^resnet18_small, 32 pixels, 4 images a pass\n {2}fast +fp32 +[\d.]+ images\/s/);
    assert.match(stdout, /^fastest here: --engine fast --precision (fp32|bf16)$/m);
    assert.match(stdout, /^ {2}convolution +[\d.]+ ms$/m);
  });
});

test("npm run bench: a row as JSON with the machine, and the same as a table", whereFast, () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(repositoryRoot, "dist/bench/index.js"),
      ..."--only inference --model resnet18_small --batch 1 --rounds 1".split(" "),
      ...["--json", at("bench.json")],
    ],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  const { machine, rows } = JSON.parse(readFileSync(at("bench.json"), "utf8"));
  assert.ok(machine.cpu.model.length > 0);
  assert.equal(rows.length, 1);
  const [{ bench, model, imageSize, batch, knack, peers, ratios, firstStepSeconds, peakMegabytes }] = rows;
  assert.deepEqual([bench, model, imageSize, batch], ["inference", "resnet18_small", 32, 1]);
  const names = ["pytorch-eager", "pytorch-tuned", "onnxruntime"];
  const derived = ["pytorch-best", "limit"];
  for (const values of [peers, ratios]) assert.deepEqual(Object.keys(values), [...names, ...derived]);
  for (const name of [...names, ...derived]) assert.equal(ratios[name], knack / peers[name]);
  assert.equal(peers["pytorch-best"], Math.max(peers["pytorch-eager"], peers["pytorch-tuned"]));
  for (const values of [firstStepSeconds, peakMegabytes]) {
    assert.deepEqual(Object.keys(values), ["knack", ...names]);
    assert.ok(Object.values(values).every((value) => Number(value) > 0));
  }
  const [, cells = ""] = /│ (resnet18_small.*)/.exec(stdout) ?? [];
  const rates = [knack, ...[...names, ...derived].map((name) => peers[name])];
  const expected = ["resnet18_small 32", "1", ...rates.map((rate) => rate.toPrecision(3))];
  assert.deepEqual(
    cells
      .split("│")
      .map((cell) => cell.trim())
      .filter(Boolean)
      .slice(0, expected.length),
    expected,
  );
});

test("npm run bench: the PyTorch peer of every model takes a step", async () => {
  const models = new Set(stepCases("training", undefined, undefined).map(({ model }) => model));
  const steps = Array.from(models, async (model) => {
    const args = [join(repositoryRoot, "bench/step.py"), model, "75", "2", "1", "training", "eager", "fp32"];
    const { stdout } = await promisify(execFile)(python, args);
    assert.equal(JSON.parse(stdout).seconds.length, 1, model);
  });
  await Promise.all(steps);
});
