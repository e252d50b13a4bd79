/**
 * Every signal in every phase of a run: how the process ends, what is kept, and that what was stopped ends with the same bits as what was not.
 * By default each phase with one signal and each signal in one phase; `npm run test:signals` tries all of them.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import type { TrainEvent } from "../../../src/run/events.js";
import { loadResumable } from "../../../src/weights/checkpoint.js";
import { type Ended, keptEvents, startKnack, until } from "../../support/command.js";
import { scratchFolder } from "../../support/tiny-training.js";
import { writeTinyData } from "../../support/tiny-data.js";

const ALL = process.env.KNACK_ALL_SIGNALS === "1";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU"] as const;
type Signal = (typeof SIGNALS)[number];

const STEPS_PER_EPOCH = 2;
const EPOCHS = 2;

/** When a signal is sent, and what is there then: finished steps (at least), and validated epochs. */
interface Phase {
  readonly name: string;
  readonly sentAt: (event: TrainEvent) => boolean;
  readonly steps: number;
  readonly epochs: number;
  /** With which signal by default, and whether it is resumed then. */
  readonly byDefault: readonly Signal[];
  readonly resumed: boolean;
}

const step = (number: number) => (event: TrainEvent) => event.type === "step" && event.step === number;

const PHASES: readonly Phase[] = [
  {
    name: "before step 1",
    sentAt: ({ type }) => type === "audit",
    steps: 0,
    epochs: 0,
    byDefault: ["SIGQUIT"],
    resumed: false,
  },
  { name: "in training", sentAt: step(1), steps: 1, epochs: 0, byDefault: ["SIGINT", "SIGUSR1"], resumed: true },
  { name: "in a validation", sentAt: step(STEPS_PER_EPOCH), steps: 2, epochs: 0, byDefault: ["SIGHUP"], resumed: true },
  { name: "in the last validation", sentAt: step(4), steps: 4, epochs: 1, byDefault: ["SIGTERM"], resumed: true },
  {
    name: "while the report is written",
    sentAt: (event) => event.type === "checkpoint" && event.kind === "last" && event.epoch === EPOCHS,
    steps: 4,
    epochs: 2,
    byDefault: ["SIGXCPU"],
    resumed: false,
  },
];

const at = scratchFolder("signals");
const TINY = ["--model", "resnet18_small", "--option", "width=4", "--batch-size", "32", "--engine", "plain", "--json"];
const TRAIN = ["train", at("data"), ...TINY, "--epochs", `${EPOCHS}`];

before(async () => {
  // The validations take long enough to be met by a signal.
  writeTinyData(at("data"), { train: 32 * STEPS_PER_EPOCH, validation: 2500 });
  const { code, stderr } = await startKnack([...TRAIN, "--out", at("undisturbed")]).ended;
  assert.deepEqual([code, stderr], [0, ""]);
});

/** A run that gets a signal at the first event for which `sentAt` says so. */
async function signalled(args: readonly string[], sentAt: Phase["sentAt"], signal: Signal): Promise<Ended> {
  const { child, ended } = startKnack(args);
  let [text, sent] = ["", false];
  child.stdout?.on("data", (chunk: string) => {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    if (sent || !lines.some((line) => sentAt(JSON.parse(line)))) return;
    sent = true;
    child.kill(signal);
  });
  return ended;
}

/** But for times. */
function left(run: string) {
  const kept = keptEvents(run).map((event) => ({ ...event, run: "", seconds: 0, imagesPerSecond: 0, waitSeconds: 0 }));
  const files = ["last", "best"].map((kind) => readFileSync(join(run, "checkpoints", kind, "model.safetensors")));
  return { kept, files, training: loadResumable(join(run, "checkpoints/last")).training };
}

describe("a stop", { concurrency: 2 }, () => {
  for (const { name, sentAt, steps, epochs, byDefault, resumed } of PHASES) {
    for (const signal of ALL ? SIGNALS : byDefault) {
      test(`${signal} ${name}`, async () => {
        const out = at(`${name} ${signal}`);
        const { code, stdout, stderr } = await signalled([...TRAIN, "--out", out], sentAt, signal);
        assert.equal(code, 128 + constants.signals[signal]);
        const last = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as TrainEvent;
        const kept = keptEvents(out);
        assert.equal(kept.filter(({ type }) => type === "epoch").length, epochs);
        assert.equal(existsSync(join(out, "report.html")), false);
        if (epochs === EPOCHS) {
          assert.equal(last.type, "done");
          assert.match(stderr, /^knack: warning: no report .* it was stopped; write it with: knack report .*\n$/);
        } else {
          assert.ok(last.type === "interrupted", last.type);
          assert.equal(stderr, "");
          assert.ok(last.step >= steps && last.step <= (epochs + 1) * STEPS_PER_EPOCH, `step ${last.step}`);
          // One step a line, and the checkpoint is of the last of them.
          assert.equal(kept.filter(({ type }) => type === "step").length, last.step);
          const config = JSON.parse(readFileSync(join(out, "checkpoints/last/config.json"), "utf8"));
          assert.equal(config.knack.step, last.step);
        }
        if (!resumed && !ALL) return;
        assert.equal((await startKnack(["train", "--resume", out, "--json"]).ended).code, 0);
        assert.deepEqual(left(out), left(at("undisturbed")));
      });
    }
  }
});

describe("while pictures are copied to the cache", () => {
  before(async () => {
    for (const name of ["ant", "bee"]) {
      mkdirSync(at("photos", name), { recursive: true });
      const create = {
        width: 2000,
        height: 1600,
        channels: 3,
        background: "red",
        noise: { type: "gaussian", mean: 99, sigma: 50 },
      } as const;
      const picture = await sharp({ create }).jpeg().toBuffer();
      const pictures = Array.from({ length: 20 }, (_, i) => sharp(picture).toFile(at("photos", name, `${i}.jpg`)));
      await Promise.all(pictures);
    }
  });

  for (const signal of ALL ? SIGNALS : (["SIGUSR2"] as const)) {
    test(`${signal}: no step, no copies, and it can be resumed`, async () => {
      const [out, cache] = [at(`cached ${signal}`), at(`cache ${signal}`)];
      const small = [...TINY, "--batch-size", "4", "--image-size", "32", "--epochs", "1", "--workers", "1"];
      const { child, ended } = startKnack(["train", at("photos"), ...small, "--cache", cache, "--out", out]);
      // Beside what pictures look like, which is kept there before.
      const copies = () => (existsSync(cache) ? readdirSync(cache).filter((name) => !name.startsWith("looks-")) : []);
      await until("the cache", () => copies().length > 0);
      child.kill(signal);
      const { code, stdout } = await ended;
      assert.equal(code, 128 + constants.signals[signal]);
      assert.match(stdout, /"type":"interrupted",.*"step":0\}\n$/);
      assert.deepEqual(
        copies().flatMap((key) => readdirSync(join(cache, key))),
        [],
      );
      assert.ok(existsSync(join(out, "checkpoints/last/training.safetensors")));
    });
  }
});
