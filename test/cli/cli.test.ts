/**
 * The command as people and programs meet it: what fails ends in one line and an exit code, and what scripts rely on is there.
 * The library's `train` too. Models and images are tiny; every command runs in a process of its own.
 */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { InputError, type RecipeInput, type TrainEvent, train } from "../../src/index.js";
import { assertOneLine, type Ended, KNACK, type Running, start as startCommand } from "../support/command.js";
import { repositoryRoot } from "../support/oracle.js";
import { writeTinyData } from "../support/tiny-data.js";

// Of this process's training threads and of every child: threads that wait for each other on busy cores are far slower than one.
process.env.OMP_NUM_THREADS = "1";

const TRAIN =
  "--model resnet18_small --option width=8 --batch-size 32 --lr 0.05 --step-decay 30,60,90 --epochs 2".split(" ");
const STEPS_PER_EPOCH = 4; // 128 images

/** Where all commands run, so that paths in messages are short and nothing lands in the repository. */
const scratch = mkdtempSync(join(tmpdir(), "knack-cli-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

const start = (program: string, args: readonly string[], cwd = scratch) => startCommand(program, args, { cwd });

function startKnack(...args: string[]): Running {
  return start(process.execPath, [KNACK, ...args]);
}

function knack(...args: string[]): Promise<Ended> {
  return startKnack(...args).ended;
}

/** The JSON lines of a command that must succeed. */
async function eventsOf(...args: string[]): Promise<TrainEvent[]> {
  const { code, stdout, stderr } = await knack(...args, "--json");
  assert.equal(stderr, "");
  assert.equal(code, 0);
  return jsonLines(stdout);
}

function jsonLines(text: string): TrainEvent[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function ofType<T extends TrainEvent["type"]>(events: readonly TrainEvent[], type: T) {
  return events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);
}

let events: TrainEvent[] = [];

before(async () => {
  writeTinyData(at("data"));
  writeTinyData(at("data4"), { classes: 4 });
  events = await eventsOf("train", "data", ...TRAIN, "--out", "run");
});

describe("a run that fails: one line on stderr, exit code 1", { concurrency: 2 }, () => {
  test("the disk is full", async () => {
    const script = 'ulimit -f 200 && exec "$@"';
    const { ended } = start("sh", [
      ...["-c", script, "sh", process.execPath, KNACK],
      ...["train", "data", ...TRAIN, "--out", "disk-full", "--json"],
    ]);
    const result = await ended;
    assertOneLine(result, 1, /cannot write .*model\.safetensors: file too large/);
    assert.equal(jsonLines(result.stdout).at(-1)?.type, "error");
    assert.deepEqual(readdirSync(at("disk-full/checkpoints")), [], "half a checkpoint was left");
  });

  test("the loss becomes infinite", async () => {
    const result = await knack("train", "data", ...TRAIN, "--lr", "1e30", "--out", "diverged", "--json");
    assertOneLine(result, 1, /loss is not finite.*--lr/);
    const [last] = jsonLines(result.stdout).slice(-1);
    assert.ok(last?.type === "error");
    assert.equal(result.stderr, `knack: ${last.message}\n`);
  });

  test("the addon is missing", async () => {
    for (const name of ["bin", "package.json", "dist/src"]) {
      cpSync(join(repositoryRoot, name), at("bare", name), { recursive: true });
    }
    symlinkSync(join(repositoryRoot, "node_modules"), at("bare/node_modules"));
    const bare = (...args: string[]) => start(process.execPath, [at("bare/bin/knack.js"), ...args]).ended;
    for (const help of [["--help"], ["train", "--help"], ["schedule", "--steps-per-epoch", "5"]]) {
      const { code, stderr } = await bare(...help);
      assert.deepEqual([code, stderr], [0, ""], `knack ${help.join(" ")}`);
    }
    assertOneLine(await bare("train", "data", ...TRAIN), 1, /does not load: .*npm run setup/);
    assertOneLine(await bare("eval", "run", "data"), 1, /does not load: .*npm run setup/);
    rmSync(at("bare/dist"), { recursive: true });
    assertOneLine(await bare("train", "data"), 2, /npm run setup/);
  });

  test("nothing more can be written to the output", async (t) => {
    if (!existsSync("/dev/full")) return t.skip("there is no /dev/full");
    const script = '"$@" > /dev/full';
    const { ended } = start("sh", ["-c", script, "sh", process.execPath, KNACK, "eval", "run", "data"]);
    assertOneLine(await ended, 1, /cannot write the output: no space left/);
  });
});

test("a closed pipe ends a command quietly", async () => {
  const script = '"$@" | head -1';
  const args = [KNACK, "schedule", "--steps-per-epoch", "5000", "--json"];
  const { stdout, stderr } = await start("sh", ["-c", script, "sh", process.execPath, ...args]).ended;
  assert.deepEqual([stdout, stderr], ['[{"step":0,"lr":0.1},\n', ""]);
});

describe("what scripts rely on", { concurrency: 2 }, () => {
  test("an error of the input is an event too", async () => {
    const { stdout, code } = await knack("train", "data", "--epochs", "0", "--json");
    assert.equal(code, 2);
    const [event] = jsonLines(stdout);
    assert.ok(event?.type === "error");
    assert.match(event.message, /--epochs/);
  });

  test("train --json: an audit, steps, and what an epoch and the end say", () => {
    const epoch = [...Array(STEPS_PER_EPOCH).fill("step"), "epoch"];
    const [audit, ...rest] = events;
    assert.ok(audit?.type === "audit");
    assert.ok(audit.tricks.length >= 9);
    assert.deepEqual(
      rest.filter(({ type }) => type !== "checkpoint").map(({ type }) => type),
      [...epoch, ...epoch, "done"],
    );
    const checkpoints = ofType(events, "checkpoint");
    assert.deepEqual(
      checkpoints.filter(({ kind }) => kind === "last").map((event) => [event.epoch, event.step]),
      [
        [1, 4],
        [2, 8],
      ],
    );
    assert.ok(checkpoints.some(({ kind }) => kind === "best"));
    assert.deepEqual(
      ofType(events, "step").map(({ step }) => step),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    for (const event of ofType(events, "epoch")) {
      for (const key of ["epoch", "trainLoss", "top1", "top5", "validationLoss", "imagesPerSecond"] as const) {
        assert.ok(Number.isFinite(event[key]), key);
      }
      assert.ok(event.top1 >= 0 && event.top1 <= event.top5 && event.top5 <= 1);
    }
    const [done] = ofType(events, "done");
    assert.equal(done?.run, "run");
    assert.equal(done.top1, ofType(events, "epoch").at(-1)?.top1);
    assert.ok(done.seconds > 0);
  });

  test("the run folder", () => {
    for (const file of ["recipe.json", "environment.json", "metrics.jsonl"])
      assert.ok(existsSync(at("run", file)), file);
    for (const kind of ["last", "best"]) {
      for (const file of ["model.safetensors", "config.json"]) {
        assert.ok(existsSync(at("run/checkpoints", kind, file)), `${kind}/${file}`);
      }
    }
    assert.deepEqual(
      jsonLines(readFileSync(at("run/metrics.jsonl"), "utf8")),
      events.filter(({ type }) => type !== "checkpoint"),
    );
    const recipe = JSON.parse(readFileSync(at("run/recipe.json"), "utf8"));
    assert.deepEqual([recipe.epochs, recipe.batchSize, recipe.lr], [2, 32, 0.05]);
  });

  test("eval --json: fractions, the same as the run's", async () => {
    for (const kind of ["last", "best"]) {
      const { stdout, code } = await knack("eval", `run/checkpoints/${kind}`, "data", "--json");
      assert.equal(code, 0);
      const result = JSON.parse(stdout);
      assert.deepEqual(Object.keys(result).sort(), ["classes", "images", "loss", "metrics", "top1", "top5"]);
      const epochs = ofType(events, "epoch");
      const epoch = kind === "last" ? epochs.at(-1) : epochs.findLast(({ best }) => best);
      assert.deepEqual([result.top1, result.top5, result.images], [epoch?.top1, epoch?.top5, 64]);
      assert.ok(Math.abs(result.loss - (epoch?.validationLoss ?? 0)) < 1e-5 * result.loss);
    }
  });

  test("schedule --json", async () => {
    const args =
      "schedule --recipe efficient --epochs 8 --steps-per-epoch 10 --warmup 5 --step-decay 7 --batch-size 512 --json".split(
        " ",
      );
    const { stdout, code } = await knack(...args);
    assert.equal(code, 0);
    const rates: { step: number; lr: number }[] = JSON.parse(stdout);
    assert.deepEqual(
      rates.map(({ step }) => step),
      Array.from({ length: 80 }, (_, step) => step),
    );
    assert.ok(Math.abs((rates[60]?.lr ?? 0) - 0.2) < 1e-12); // 0.1 x 512 / 256 after five epochs of warmup
  });

  test("doctor --json and --version", async () => {
    const doctor = JSON.parse((await knack("doctor", "--json")).stdout);
    for (const key of ["libtorch", "devices", "threads", "blas", "oneDnn", "cpu", "dataSets", "problems"]) {
      assert.ok(key in doctor, key);
    }
    assert.equal(doctor.threads, 1, "OMP_NUM_THREADS was passed over");
    const { stdout, code } = await knack("--version");
    const { version } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
    assert.deepEqual([stdout, code], [`${version}\n`, 0]);
  });

  test("a TypeScript recipe; lines for people where the output is piped", async () => {
    writeFileSync(
      at("mine.ts"),
      'const epochs: number = 1;\nexport default { extends: "baseline", epochs, mixup: { alpha: 0.3 }, warmup: { epochs: 0.5 } };\n',
    );
    const { stdout, stderr, code } = await knack("train", "data", ...TRAIN.slice(0, -2), "--recipe", "mine.ts");
    assert.deepEqual([stderr, code], ["", 0]);
    const run = /^run: (runs\/data-mine-\d{8}-\d{6})$/m.exec(stdout)?.[1] ?? "";
    assert.ok(existsSync(at(run, "checkpoints/last/model.safetensors")));
    assert.match(stdout, /mixup +every image, .*Beta\(0\.3, 0\.3\)/);
    assert.match(stdout, /^done in /m);
    rmSync(at("runs"), { recursive: true });
  });
});

describe("signals", { concurrency: 2 }, () => {
  const ENDLESS = [...TRAIN.slice(0, -1), "100000"];

  test("Ctrl-C leaves a checkpoint, exits with 130, and --resume goes on from it; SIGTERM exits with 143", async () => {
    const first = startKnack("train", "data", ...ENDLESS, "--out", "stopped", "--json");
    await first.says(/"step":6,/);
    first.child.kill("SIGINT");
    const { code, stdout, stderr } = await first.ended;
    assert.deepEqual([code, stderr], [130, ""]);
    const before = jsonLines(stdout);
    const interrupted = before.at(-1);
    assert.ok(interrupted?.type === "interrupted");
    assert.equal(interrupted.step, ofType(before, "step").at(-1)?.step);

    const second = startKnack("train", "--resume", "stopped", "--json");
    await second.says(/"type":"step"/);
    second.child.kill("SIGTERM");
    const resumed = await second.ended;
    assert.deepEqual([resumed.code, resumed.stderr], [143, ""]);
    assert.equal(ofType(jsonLines(resumed.stdout), "step")[0]?.step, interrupted.step + 1);

    const steps = ofType(jsonLines(readFileSync(at("stopped/metrics.jsonl"), "utf8")), "step");
    assert.ok(steps.every(({ step }, index) => step === index + 1));
  });

  test("a second Ctrl-C ends it at once", async () => {
    const slow = ["--batch-size", "64", "--option", "width=64"];
    const { child, ended, says } = startKnack("train", "data", ...ENDLESS, ...slow, "--out", "killed");
    await says(/tricks:/);
    child.kill("SIGINT");
    await says(/stopping at a checkpoint/);
    child.kill("SIGINT");
    const { signal } = await ended;
    assert.equal(signal, "SIGINT");
    // What it was writing has no name yet that a reader would look for.
    assert.deepEqual(
      readdirSync(at("killed/checkpoints")).filter((name) => !name.startsWith(".")),
      [],
    );
  });
});

describe("the library", { concurrency: 2 }, () => {
  const recipe: RecipeInput = {
    name: "tiny",
    model: "resnet18_small",
    modelOptions: { width: 8 },
    batchSize: 32,
    lr: 0.05,
    epochs: 2,
  };
  const options = (out: string) => ({ data: at("data"), recipe, out: at(out) });

  test("is what the package's name stands for", async () => {
    const script = 'import { train } from "knack"; console.log(typeof train);';
    const { ended } = start(process.execPath, ["--input-type=module", "-e", script], repositoryRoot);
    assert.equal((await ended).stdout, "function\n");
  });

  test("break stops at a checkpoint, resume goes on to the same bits as the command's", async () => {
    for await (const event of train(options("left"))) {
      if (event.type === "step" && event.step === 2) break;
    }
    assert.ok(existsSync(at("left/checkpoints/last/training.safetensors")));
    const rest: TrainEvent[] = [];
    for await (const event of train({ resume: at("left"), workers: 2 })) rest.push(event);
    assert.equal(rest[0]?.type, "audit");
    assert.equal(rest.at(-1)?.type, "done");
    const lossesOf = (file: string) => ofType(jsonLines(readFileSync(file, "utf8")), "step").map(({ loss }) => loss);
    assert.deepEqual(lossesOf(at("left/metrics.jsonl")), lossesOf(at("run/metrics.jsonl")));
    const weights = "checkpoints/last/model.safetensors";
    assert.ok(readFileSync(at("left", weights)).equals(readFileSync(at("run", weights))), "other weights");
  });

  test("an AbortSignal stops it too, even before the first step", async () => {
    const types: string[] = [];
    for await (const { type } of train({ ...options("aborted"), signal: AbortSignal.abort() })) types.push(type);
    assert.deepEqual(types, ["audit", "checkpoint", "interrupted"]);

    const abort = new AbortController();
    const resumed: TrainEvent[] = [];
    for await (const event of train({ resume: at("aborted"), signal: abort.signal })) {
      resumed.push(event);
      if (event.type === "epoch") abort.abort();
    }
    assert.equal(ofType(resumed, "step")[0]?.step, 1);
    assert.ok(["interrupted", "done"].includes(resumed.at(-1)?.type ?? ""));
  });

  test("what is wrong is thrown as an InputError", async () => {
    mkdirSync(at("full"));
    writeFileSync(at("full/notes.txt"), "mine");
    const first = (changes: object) => train({ ...options("wrong"), ...changes }).next();
    const wrong: [object, RegExp][] = [
      [{ recipe: { ...recipe, epochs: 0 } }, /the recipe: epochs: /],
      [{ recipe: { ...recipe, ephocs: 1 } }, /unknown key "ephocs"/],
      [{ recipe: "nosuch" }, /no preset "nosuch"/],
      [{ data: at("nosuch") }, /nosuch/],
      [{ device: "abacus" }, /not on abacus/],
      [{ out: at("full") }, /not empty/],
    ];
    for (const [changes, message] of wrong) {
      await assert.rejects(first(changes), (error) => {
        assert.ok(error instanceof InputError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(existsSync(at("wrong")), false);
  });
});
