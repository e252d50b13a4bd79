/**
 * Every misuse of the command ends in one line and exit code 2, and leaves nothing behind. All lines run in one process, which is
 * quicker; that the process ends so is seen in cli.test.ts and of one line here.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { olderVersions } from "../../src/base/atomic-file.js";
import { assertOneLine, commandLines, type Ended, startKnack } from "../support/command.js";
import { scratchFolder } from "../support/scratch-folder.js";
import { writeTinyData } from "../support/tiny-data.js";

const at = scratchFolder("misuse");
const scratch = at();
const TRAIN =
  "--model resnet18_small --option width=8 --batch-size 32 --lr 0.05 --step-decay 30,60,90 --epochs 1".split(" ");

before(async () => {
  writeTinyData(at("data"));
  writeTinyData(at("data4"), { classes: 4 });
  const { stderr, code } = await knack("train", "data", ...TRAIN, "--out", "run");
  assert.deepEqual([stderr, code], ["", 0]);
  writeDamagedFiles();
});

function knack(...args: string[]): Promise<Ended> {
  return startKnack(args, { cwd: scratch }).ended;
}

/** A copy of the finished run, with no older checkpoint to use instead, and no manifest to tell that something was changed. */
function copyOfRun(name: string): string {
  cpSync(at("run"), at(name), { recursive: true, verbatimSymlinks: true });
  const checkpoints = join(at(name), "checkpoints");
  for (const older of olderVersions(join(checkpoints, "last"))) rmSync(older, { recursive: true });
  for (const kind of ["last", "best"]) rmSync(join(checkpoints, kind, "manifest.json"));
  return at(name);
}

function replaceIn(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  assert.ok(text.includes(from), `${file} has no ${from}`);
  writeFileSync(file, text.replace(from, to));
}

function writeDamagedFiles(): void {
  for (const name of ["truncated", "not-gzip", "bad-label"]) cpSync(at("data"), at(name), { recursive: true });
  truncateSync(at("truncated/train-images-idx3-ubyte"), 5000);
  rmSync(at("not-gzip/train-images-idx3-ubyte"));
  writeFileSync(at("not-gzip/train-images-idx3-ubyte.gz"), "no gzip");
  const labels = readFileSync(at("bad-label/t10k-labels-idx1-ubyte"));
  labels[8 + 3] = 77;
  writeFileSync(at("bad-label/t10k-labels-idx1-ubyte"), labels);
  for (const name of ["empty", "cifar", "full", "photographs/cat"]) mkdirSync(at(name), { recursive: true });
  writeFileSync(at("cifar/data_batch_1.bin"), Buffer.alloc(5000));
  writeFileSync(at("cifar/test_batch.bin"), Buffer.alloc(3073));
  writeFileSync(at("full/notes.txt"), "mine");
  writeFileSync(at("photographs/cat/1.jpg"), "");

  writeFileSync(at("broken.json"), '{ "epochs": 3,\n');
  writeFileSync(at("unknown-key.json"), '{ "epoch": 3 }');
  writeFileSync(at("wrong-type.json"), '{ "mixup": { "alpha": "much" } }');
  writeFileSync(at("throws.ts"), 'throw new Error("no recipe\\ntoday");');
  writeFileSync(at("syntax.ts"), "export default { epochs: }");
  writeFileSync(at("no-default.ts"), "export const epochs: number = 3;");

  cpSync(at("run/checkpoints/best"), at("alone"), { recursive: true, dereference: true });
  truncateSync(join(copyOfRun("cut"), "checkpoints/last/model.safetensors"), 300_000);
  rmSync(join(copyOfRun("no-state"), "checkpoints/last/training.safetensors"));
  replaceIn(join(copyOfRun("other-config"), "checkpoints/last/config.json"), "resnet18_small", "resnet34d_small");
  writeFileSync(join(copyOfRun("other-data"), "data.json"), JSON.stringify({ source: at("data4") }));
  replaceIn(join(copyOfRun("other-model"), "checkpoints/best/config.json"), "resnet18_small", "resnet18d_small");
  writeFileSync(join(copyOfRun("bad-header"), "checkpoints/best/model.safetensors"), Buffer.alloc(100, 255));
  rmSync(at("bad-header/checkpoints/last"));
}

/** What is typed after `knack` in the folder that `writeDamagedFiles` filled; the exit code is 2. */
const MISUSE: readonly (readonly [string, RegExp])[] = [
  ["fly", /unknown command 'fly'/],
  ["trian data", /unknown command 'trian'.*train/],
  ["train data --mixpu 0.2", /unknown option '--mixpu'.*--mixup/],
  ["train data --epochs", /--epochs.*missing/],
  ["train", /data is missing/],
  ["train data data4", /too many arguments/],
  ["eval runs-nowhere", /there is no checkpoint runs-nowhere/],
  ["eval empty", /empty holds no checkpoint/],
  ["eval full/notes.txt", /full\/notes\.txt is no checkpoint: it is a file/],
  ["eval alone", /alone does not say what it was trained on: knack eval CHECKPOINT DATA/],
  ["schedule", /--steps-per-epoch: is missing/],
  ["schedule --steps-per-epoch 0", /--steps-per-epoch: .* not "0"/],

  ["train nosuch", /nosuch": understood are "fashion-mnist"/],
  ["train empty", /empty" holds no data set/],
  ["train photographs", /photographs holds 1 class, "cat": two are needed/],
  ["train full/notes.txt", /full\/notes\.txt" is a file/],
  ["train truncated", /truncated\/train-images-idx3-ubyte is cut short/],
  ["train not-gzip", /not-gzip\/train-images-idx3-ubyte\.gz is not an IDX file/],
  ["train bad-label", /bad-label\/t10k-labels-idx1-ubyte: label 77 of image 3 is out of range/],
  ["train cifar", /cifar\/data_batch_1\.bin has 5000 bytes/],

  ["train data --epochs 0", /--epochs: .* above 0, not 0/],
  ["train data --lr -0.1", /--lr: .* above 0, not -0\.1/],
  ["train data --lr abc", /--lr: .* not "abc"/],
  ["train data --batch-size 1000", /--batch-size of at most 128/],
  ["train data --batch-size 32 --accumulation 3", /--accumulation: must divide the batch size/],
  ["train data --epochs 5 --warmup 5", /--warmup: must be shorter than the run/],
  ["train data --workers -1", /--workers: .* not "-1"/],
  ["train data --precision int8", /--precision: must be fp32, bf16 or fp16/],
  ["train data --device tpu", /--device.*cpu, cuda/],

  ["train data --recipe bag-of-trick", /did you mean "bag-of-tricks"\?/],
  ["train data --recipe nosuch.json", /nosuch\.json: there is no such file/],
  ["train data --recipe full/notes.txt/a.json", /notes\.txt\/a\.json: there is no such file/],
  ["train full/notes.txt/a", /no data set or folder/],
  ["report run --out full/notes.txt/a.html", /there is no folder full\/notes\.txt/],
  ["train data --recipe broken.json", /broken\.json, line 2: not valid JSON/],
  ["train data --recipe unknown-key.json", /unknown-key\.json: unknown key "epoch"; did you mean "epochs"\?/],
  ["train data --recipe wrong-type.json", /wrong-type\.json: mixup\.alpha: must be a number above 0, not "much"/],
  ["train data --recipe throws.ts", /throws\.ts: cannot be loaded: no recipe/],
  ["train data --recipe syntax.ts", /syntax\.ts: cannot be loaded: /],
  ["train data --recipe no-default.ts", /no-default\.ts: has no default export/],

  ["train data --batch-size 32 --model resnet19", /there is no model "resnet19"/],
  ["train data --batch-size 32 --option width=7", /width: must be an even number/],
  [
    "train data --batch-size 32 --option widht=8",
    /modelOptions\.widht: \w+ has no such option; did you mean "width"\?/,
  ],
  ["train data --batch-size 32 --teacher nosuch", /there is no checkpoint at .*nosuch; give --teacher/],
  ["train data --batch-size 32 --recipe bag-of-tricks", /names no teacher; give --teacher CKPT or --no-distillation/],
  ["train data --batch-size 32 --mixup 0.2 --distillation", /names no teacher/],
  [
    "train data4 --batch-size 32 --option width=8 --teacher run",
    /run does not fit data4 train: it was trained for 10 classes, not 4; give another --teacher/,
  ],
  ["train data --batch-size 32 --option width=8 --teacher other-model", /other-model: the weights do not fit/],

  ["train data --batch-size 32 --option width=8 --label-smoothing 0", /label-smoothing .* changed nothing/],
  ["train data --batch-size 32 --option width=8 --no-bias-decay --weight-decay 0", /no-bias-decay .* changed nothing/],
  ["train data --mixup-pairing roll", /--mixup-pairing: has no effect with --mixup off/],
  ["train data --cosine --step-decay 1", /--cosine and --step-decay/],

  ["train data --batch-size 32 --option width=8 --out full", /full is not empty: .* --resume full, or .* --out/],
  ["train data --batch-size 32 --option width=8 --out full/notes.txt/run", /cannot make the run folder .* --out/],
  ...(process.platform === "linux"
    ? [["train data --batch-size 32 --option width=8 --out /proc/run", /run folder \/proc\/run.* --out/] as const]
    : []),

  ["train --resume nosuch", /there is no run folder nosuch/],
  ["train --resume data", /data is no run folder/],
  ["train --resume run --lr 1", /lr was 0\.05 and is 1; give --allow-changes/],
  ["train --resume run --no-bias-decay", /noBiasDecay was false and is true; give --allow-changes/],
  ["train --resume run --engine plain", /drop --engine/],
  ["train --resume run --no-winograd", /drop --no-winograd/],
  ["train --resume run --out other", /drop --out/],
  ["train data --allow-changes", /--allow-changes: .*give --resume RUN/],
  ["train data --checkpoint-every often", /--checkpoint-every: .*500.*5m, not "often"/],
  ["train data --keep-checkpoints -1", /--keep-checkpoints: .* not "-1"/],
  ["train data --engine quick", /--engine.*auto, fast, plain/],
  ["train data --batch-size 32 --option width=8 --engine fast --precision fp16", /fp16/],

  ["bench", /missing required argument 'model'/],
  ["bench resnet19", /there is no model "resnet19"/],
  ["bench resnet18_small --batch-size 0", /--batch-size: .* not "0"/],
  ["bench resnet18_small --option widht=8", /did you mean "width"\?/],
  ["bench resnet18_small --image-size 32 --option width=8 --engine fast --precision fp16", /fp16/],
  ["train data4 --resume run", /otherwise than it was trained: classes was 4, 5, .* and is none, .*--allow-changes/],
  ["train --resume cut", /model\.safetensors cannot be read/],
  ["train --resume no-state", /holds no training\.safetensors/],
  ["train --resume other-config", /other-config\/checkpoints\/last holds resnet34d_small .* run is of resnet18_small/],
  ["train --resume other-data", /for 10 classes, but the run is of .* for 4 classes/],

  ["eval nosuch data", /there is no checkpoint nosuch/],
  ["eval full/notes.txt/best data", /there is no checkpoint full\/notes\.txt\/best/],
  ["eval empty data", /empty holds no checkpoint/],
  ["eval bad-header data", /model\.safetensors cannot be read as safetensors/],
  ["eval other-model data", /other-model: the weights do not fit the model/],
];

describe("misuse: one line on stderr, exit code 2", () => {
  let all: readonly Ended[] = [];

  before(async () => {
    all = await commandLines(
      MISUSE.map(([line]) => line.split(" ")),
      { cwd: scratch },
    );
  });

  for (const [index, [line, message]] of MISUSE.entries()) {
    test(line, () => assertOneLine(all[index], 2, message));
  }

  test("of a process of its own too", async () => {
    const [line, message] = MISUSE[0] ?? ["", /./];
    assertOneLine(await knack(...line.split(" ")), 2, message);
  });

  test("fp16 where the engine cannot, and a device that it has not", async (t) => {
    const { devices, libtorch } = JSON.parse((await knack("doctor", "--json")).stdout);
    if (devices.length > 1) return t.skip("there is a GPU");
    assertOneLine(await knack("train", "data", ...TRAIN, "--device", "cuda"), 2, /--device: .* not on cuda/);
    assertOneLine(await knack("eval", "run", "data", "--device", "cuda"), 2, /--device: .* not on cuda/);
    assertOneLine(await knack("bench", "resnet20", "--device", "cuda", "--json"), 2, /--device: .* not on cuda/);
    if (!libtorch.version.startsWith("1.")) return; // later ones have fp16 on the CPU too
    assertOneLine(await knack("train", "data", ...TRAIN, "--precision", "fp16"), 2, /fp16 .*--precision bf16/);
  });

  after(() => assert.equal(existsSync(at("runs")), false, "a refused run left a folder"));
});
