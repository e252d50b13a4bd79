/** `--intensity` through a run's life: what training scales by, evaluation, prediction and an ONNX file scale by too. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { intensityFrom } from "../../src/cli/options/intensity.js";
import { loadClassifier } from "../../src/inference/classifier.js";
import { describeOnnx } from "../../src/inference/onnx-description.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("intensity");
const SIDE = 32;
const TRAIN = "--model resnet18_small --option width=8 --image-size 32 --batch-size 8 --lr 0.05 --epochs 1 --workers 0";

function knack(...args: string[]) {
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  return spawnSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...args], {
    encoding: "utf8",
    cwd: at("."),
    env,
  });
}

function done(...args: string[]): string {
  const { status, stdout, stderr } = knack(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Ramps to one side or the other, of values from 0 to `most`. */
async function ramps(folder: string, most: number): Promise<void> {
  for (const [right, label] of ["ant", "bee"].entries()) {
    for (let i = 0; i < 12; i++) {
      const levels = Uint8Array.from({ length: SIDE * SIDE }, (_, at) => {
        const x = (at % SIDE) / (SIDE - 1);
        return Math.round((255 * (right ? x : 1 - x) * (20 + i)) / 31);
      });
      const values = most > 255 ? Uint16Array.from(levels, (level) => (level * most) / 255) : levels;
      const picture = sharp(values, { raw: { width: SIDE, height: SIDE, channels: 1 } });
      const file = at(folder, label, `${i}.png`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(
        file,
        await picture
          .toColourspace(most > 255 ? "grey16" : "b-w")
          .png()
          .toBuffer(),
      );
    }
  }
}

before(async () => {
  await ramps("deep", 4080);
  await ramps("bytes", 255);
});

test("twelve bits: an error that offers the set's range, then the same network as from eight", async () => {
  const refused = knack("train", "deep", ...TRAIN.split(" "), "--out", "none");
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /hold values from 0 to 4080, and would be black: train with --intensity 0,4080/);

  // 4080 is 16 times 255: the same levels.
  done("train", "deep", ...TRAIN.split(" "), "--intensity", "0,4080", "--out", "deep-run");
  done("train", "bytes", ...TRAIN.split(" "), "--out", "bytes-run");
  const weights = (run: string) => readFileSync(at(run, "checkpoints/last/model.safetensors"));
  assert.ok(weights("deep-run").equals(weights("bytes-run")));
  assert.deepEqual(JSON.parse(readFileSync(at("deep-run/recipe.json"), "utf8")).intensity, [0, 4080]);

  assert.equal(done("eval", "deep-run", "deep"), done("eval", "bytes-run", "bytes"));
  // A network of other pictures would see black.
  assert.match(knack("eval", "bytes-run", "deep").stderr, /would be black: train with --intensity 0,4080/);
  assert.doesNotMatch(readFileSync(at("deep-run/report.html"), "utf8"), /cannot be read any more/);

  await exportCheckpoint(at("deep-run"), at("deep.onnx"));
  assert.deepEqual(describeOnnx(at("deep.onnx")).intensity, [0, 4080]);
  const probability = async (model: string, picture: string) => {
    using classifier = loadClassifier(at(model));
    return (await classifier.classify(at(picture)))[0]?.probability ?? Number.NaN;
  };
  const expected = await probability("bytes-run", "bytes/ant/1.png");
  assert.equal(await probability("deep-run", "deep/ant/1.png"), expected);
  assert.ok(Math.abs((await probability("deep.onnx", "deep/ant/1.png")) - expected) < 1e-6);
  // Pictures of 8 bits are left as they are.
  assert.equal(await probability("deep-run", "bytes/ant/1.png"), expected);
  await assert.rejects(probability("bytes-run", "deep/ant/1.png"), inputError(/would be black/));
});

test("what it may be", () => {
  assert.match(knack("train", "deep", "--intensity", "4095,0").stderr, /--intensity: must be null or two numbers/);
  for (const wrong of ["0", "4095,0", "a,b", "0,1,2", "0,", "0,Infinity"]) {
    assert.throws(() => intensityFrom(wrong), inputError(/--intensity: must be two numbers/));
  }
  assert.match(done("data", "check", "deep", "--intensity", "-10,4095"), /the data can be used/);
});
