/** The event files for TensorBoard, read by an independent parser in Python. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type TrainEvent, train } from "../../src/index.js";
import { crc32c, frameRecord, wholeRecords } from "../../src/run/tensorboard/records.js";
import { hyperParametersOf } from "../../src/run/tensorboard/hyper-parameters.js";
import { RunFolder } from "../../src/run/run-folder.js";
import { keepTensorBoard, writeTensorBoard } from "../../src/run/tensorboard/run-scalars.js";
import { runPython } from "../support/oracle.js";
import { writeTinyData } from "../support/tiny-data.js";

process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-tensorboard-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

const fileIn = (run: string) => join(run, "tensorboard", "events.out.tfevents.knack");

interface Read {
  readonly version: string;
  readonly events: readonly {
    wallTime: number;
    step: number;
    values: Record<string, number | null>;
    plugins: Record<string, unknown>;
  }[];
}

const read = (run: string, file = fileIn(run)): Read => JSON.parse(runPython("read_event_file.py", file));

/** What the files beside the curves say. */
function besideCurves(run: string, file: "begin" | "knack.end") {
  const path = join(run, "tensorboard", `events.out.tfevents.${file}`);
  assert.ok(existsSync(path), path);
  return Object.assign({}, ...read(run, path).events.map(({ plugins }) => plugins)) as Record<string, unknown>;
}

/** The points of a curve, as [step, value]. */
function curve({ events }: Read, tag: string): [number, number | null][] {
  return events.flatMap(({ step, values }) => (tag in values ? [[step, values[tag] ?? null] as const] : [])) as never;
}

test("checksums are those of RFC 3720, appendix B.4", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("whole records are told from what a killed process left", () => {
  const [one, two] = [frameRecord(Buffer.from("one")), frameRecord(Buffer.alloc(300, 7))];
  const file = Buffer.concat([one, two]);
  assert.deepEqual(wholeRecords(file), { count: 2, bytes: file.length });
  for (const cut of [1, 4, two.length - 12, two.length - 1]) {
    assert.deepEqual(wholeRecords(file.subarray(0, file.length - cut)), { count: 1, bytes: one.length });
  }
  const damaged = Buffer.from(file);
  damaged[one.length + 20] = 8;
  assert.deepEqual(wholeRecords(damaged), { count: 1, bytes: one.length });
  assert.deepEqual(wholeRecords(Buffer.from("a text of some length")), { count: 0, bytes: 0 });
});

const RECIPE = { model: "resnet18_small", modelOptions: { width: 8 }, batchSize: 32, lr: 0.05, epochs: 2 };

async function eventsOf(run: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

describe("a run", () => {
  const data = writeTinyData(at("data"), { train: 128, validation: 32 });

  test("shows TensorBoard the curves of its metrics, over steps and in the order of time", async () => {
    const before = Date.now() / 1000;
    await eventsOf(train({ data, recipe: RECIPE, out: at("whole"), tensorboard: true }));
    const metrics = RunFolder.open(at("whole")).readMetrics();
    const found = read(at("whole"));
    assert.equal(found.version, "brain.Event:2");
    const steps = metrics.filter((event) => event.type === "step");
    const epochs = metrics.filter((event) => event.type === "epoch");
    assert.equal(steps.length, 8);
    const expected: [string, [number, number][]][] = [
      ["loss/train", steps.map((event) => [event.step, event.labelLoss])],
      ["lr", steps.map((event) => [event.step, event.lr])],
      ["imagesPerSecond", steps.map((event) => [event.step, event.imagesPerSecond])],
      ["lossScale", steps.map((event) => [event.step, 1])],
      ["loss/validation", epochs.map((event) => [event.step, event.validationLoss])],
      ["top1", epochs.map((event) => [event.step, event.top1])],
      ["top5", epochs.map((event) => [event.step, event.top5])],
    ];
    for (const [tag, points] of expected) {
      assert.deepEqual(
        curve(found, tag),
        points.map(([step, value]) => [step, Math.fround(value)]),
        tag,
      );
    }
    const times = found.events.map(({ wallTime }) => wallTime);
    assert.deepEqual(times, times.toSorted());
    assert.ok((times[0] as number) >= before && (times.at(-1) as number) <= Date.now() / 1000);
  });

  test("shows TensorBoard its recipe, as text and as hyper-parameters, and that it is done", () => {
    const recipe = JSON.parse(readFileSync(at("whole", "recipe.json"), "utf8"));
    const { "recipe/text_summary": text, "_hparams_/session_start_info": start } = besideCurves(at("whole"), "begin");
    assert.deepEqual(JSON.parse(String(text).replace(/^```json\n|\n```$/g, "")), recipe);
    const { hparams, began } = start as { hparams: Record<string, unknown>; began: number };
    assert.deepEqual([hparams.model, hparams.lr, hparams["modelOptions.width"]], ["resnet18_small", 0.05, 8]);
    assert.deepEqual([hparams.mixup, hparams["schedule.type"]], [false, recipe.schedule.type]);
    assert.equal(hparams["augmentation.flip"], recipe.augmentation.flip);
    assert.ok(!("imageSize" in hparams), "null is left out");
    const first = read(at("whole")).events[0]?.wallTime ?? 0;
    assert.ok(Math.abs(began - first) < 60);
    const { "_hparams_/session_end_info": end } = besideCurves(at("whole"), "knack.end");
    assert.equal((end as { status: number }).status, 1, "SUCCESS");
    // TensorBoard reads a folder's files in the order of their names, and none again that lies before the one it is at.
    const files = readdirSync(at("whole", "tensorboard")).sort();
    assert.deepEqual(
      files,
      ["begin", "knack", "knack.end"].map((name) => `events.out.tfevents.${name}`),
    );
  });

  test("has nothing twice after it was stopped within an epoch and resumed", async () => {
    const stop = new AbortController();
    const run = train({ data, recipe: RECIPE, out: at("stopped"), tensorboard: true, signal: stop.signal });
    for await (const event of run) if (event.type === "step" && event.step === 5) stop.abort();
    const half = readFileSync(fileIn(at("stopped")));
    const end = at("stopped", "tensorboard", "events.out.tfevents.knack.end");
    assert.ok(!existsSync(end), "it is not done");
    const begin = besideCurves(at("stopped"), "begin");
    const events = await eventsOf(train({ resume: at("stopped") }));
    assert.equal(events.at(-1)?.type, "done");
    assert.deepEqual(readFileSync(fileIn(at("stopped"))).subarray(0, half.length), half, "what was there stays");
    const [stopped, whole] = [read(at("stopped")), read(at("whole"))];
    assert.deepEqual(curve(stopped, "loss/train"), curve(whole, "loss/train"));
    assert.deepEqual(curve(stopped, "top1"), curve(whole, "top1"));
    assert.ok(existsSync(end));
    assert.deepEqual(besideCurves(at("stopped"), "begin"), begin);
  });

  test("hyper-parameters are a recipe's values by their keys, a list as one text, an own trick by its name", () => {
    const recipe = {
      a: null,
      b: { c: 0.2, d: [30, 60] },
      e: [],
      f: [{ name: "noise", module: "/x" }],
      g: false,
      h: "x",
    };
    assert.deepEqual(hyperParametersOf(recipe), { "b.c": 0.2, "b.d": "30, 60", f: "noise", g: false, h: "x" });
  });

  test("keeps no event files unless it is asked to", async () => {
    await eventsOf(train({ data, recipe: { ...RECIPE, epochs: 1 }, out: at("without") }));
    assert.equal(existsSync(at("without", "tensorboard")), false);
  });
});

describe("an event file", () => {
  const step = (number: number, labelLoss: number | null): TrainEvent => {
    const place = { step: number, totalSteps: 9, epoch: 1, epochs: 1, stepInEpoch: number, stepsPerEpoch: 9 };
    const figures = { lr: 0.1, imagesPerSecond: 50, skippedSteps: 0, lossScale: 1024 };
    return { type: "step", ...place, loss: 1, labelLoss: labelLoss as number, ...figures };
  };
  const metrics = [step(1, 2.5), step(2, null), step(3, 0)];

  test("is mended where a process was killed while it wrote, and where it holds something else", () => {
    const run = at("mended");
    keepTensorBoard(run);
    writeTensorBoard(run, metrics.slice(0, 2), 1000);
    truncateSync(fileIn(run), readFileSync(fileIn(run)).length - 3);
    writeTensorBoard(run, metrics, 1001);
    const points = [
      [1, 2.5],
      [2, null],
      [3, 0],
    ];
    assert.deepEqual(curve(read(run), "loss/train"), points);
    writeTensorBoard(run, metrics, 1002);
    assert.deepEqual(curve(read(run), "loss/train"), points);
    appendFileSync(fileIn(run), frameRecord(Buffer.alloc(0)));
    writeTensorBoard(run, metrics, 1003);
    assert.deepEqual(curve(read(run), "loss/train"), points);
  });
});
