/** `knack eval` on other folders than the run's: classes are matched by name, and all of such a folder is measured. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { repositoryRoot } from "../support/oracle.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("evaluation-sets");
const COLOURS: Readonly<Record<string, string>> = {
  "0": "red",
  "1": "green",
  "2": "blue",
  ant: "red",
  bee: "green",
  cat: "blue",
};

function knack(...args: string[]) {
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const options = { encoding: "utf8", cwd: at("."), env } as const;
  return spawnSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...args], options);
}

async function pictures(folder: string, classes: Readonly<Record<string, number>>): Promise<void> {
  for (const [name, count] of Object.entries(classes)) {
    for (let i = 0; i < count; i++) {
      const file = at(folder, name, `${i}.png`);
      mkdirSync(dirname(file), { recursive: true });
      const background = COLOURS[name.replace(/.*\//, "")] ?? "yellow";
      const noise = { type: "gaussian", mean: 10 * i, sigma: 5 } as const;
      await sharp({ create: { width: 32, height: 32, channels: 3, background, noise } })
        .png()
        .toBuffer()
        .then(async (noisy) => {
          const flat = { create: { width: 32, height: 32, channels: 3, background } } as const;
          writeFileSync(
            file,
            await sharp(flat)
              .composite([{ input: noisy, blend: "add" }])
              .png()
              .toBuffer(),
          );
        });
    }
  }
}

function train(data: string, run: string, ...more: string[]): void {
  const options =
    "--model resnet18_small --option width=8 --image-size 32 --batch-size 10 --lr 0.05 --epochs 1 --workers 0";
  const { status, stderr } = knack("train", data, ...options.split(" "), ...more, "--out", run);
  assert.equal(status, 0, stderr);
}

function measured(...args: string[]) {
  const { status, stdout, stderr } = knack("eval", ...args, "--json");
  assert.equal(status, 0, stderr);
  return { ...JSON.parse(stdout), said: stderr };
}

before(async () => {
  await pictures("named", { ant: 20, bee: 20, cat: 20 });
  await pictures("numbered", { "0": 20, "1": 20, "2": 20 });
  train("named", "named-run");
  train("numbered", "numbered-run");
});

test("a set without pictures of a class is measured whole, and the class named", async () => {
  await pictures("no-bee", { ant: 4, cat: 4 });
  mkdirSync(at("no-bee", "bee"));
  const result = measured("named-run", "no-bee");
  assert.deepEqual([result.images, result.absent], [8, ["bee"]]);
  assert.match(result.said, /no images of 1 of its classes: "bee"/);
  await pictures("only-cat", { cat: 5 });
  assert.deepEqual(measured("named-run", "only-cat").absent, ["ant", "bee"]);
});

test("labels follow the names: as right as what predict says of the same pictures", async () => {
  await pictures("subset", { "0": 6, "2": 6 });
  const { stdout } = knack("predict", "numbered-run", "subset", "--top", "1", "--json");
  const predicted: { image: string; predictions: { class: string }[] }[] = JSON.parse(stdout);
  const right = predicted.filter(({ image, predictions: [first] }) => image.startsWith(`subset/${first?.class}/`));
  const { top1, images } = measured("numbered-run", "subset");
  assert.deepEqual([top1, images], [right.length / 12, 12]);
  // The same pictures, all called by one class: as right as often as the network takes them for it.
  const counts = new Map<string, number>();
  for (const { predictions } of predicted)
    counts.set(predictions[0]?.class ?? "", (counts.get(predictions[0]?.class ?? "") ?? 0) + 1);
  for (const name of ["0", "1", "2"]) {
    const called = `called-${name}`;
    for (const from of ["0", "2"]) {
      for (let i = 0; i < 6; i++) cpSync(at("subset", from, `${i}.png`), at(called, name, `${from}-${i}.png`));
    }
    const share = (counts.get(name) ?? 0) / 12;
    assert.equal(measured("numbered-run", called).top1, share, name);
  }
});

test("classes are matched by number only where one side has no names, and that is said", async () => {
  await pictures("words", { ant: 2, bee: 2, cat: 2 });
  const said = /classes are matched by number, not by name: "ant", "bee", "cat", from 0 on/;
  assert.match(measured("numbered-run", "words").said, said);
  assert.doesNotMatch(measured("named-run", "words").said, /by number/);
});

test("a class that the model does not know is an error that names it, or left out", async () => {
  await pictures("unknown", { "0": 3, "2": 3, "3": 3 });
  const { status, stderr } = knack("eval", "numbered-run", "unknown");
  assert.equal(status, 2);
  assert.match(stderr, /does not know the class "3".*--ignore-unknown-classes/);
  const result = measured("numbered-run", "unknown", "--ignore-unknown-classes");
  assert.deepEqual([result.images, result.absent], [6, ["1"]]);
  assert.match(result.said, /3 images left out/);
  await pictures("strangers", { dog: 2, eel: 2, fox: 2 });
  assert.match(
    knack("eval", "named-run", "strangers", "--ignore-unknown-classes").stderr,
    /does not know the classes "dog", "eel", "fox", but "ant"/,
  );
});

test("only the run's own data are split as in training", async () => {
  assert.equal(measured("named-run", "named").images, 12);
  assert.equal(measured("named-run/checkpoints/best", "named").images, 12);
  await pictures("other", { ant: 5, bee: 5, cat: 5 });
  assert.equal(measured("named-run", "other").images, 15);
  await pictures("splits", { "train/ant": 1, "train/cat": 1, "val/ant": 2, "val/cat": 1, "test/ant": 1 });
  const result = measured("named-run", "splits");
  assert.equal(result.images, 3);
  assert.match(result.said, /not measured: its \d+ test images; give that folder itself/);
});

test("a run of a list finds its pictures again as they were found", async () => {
  const lines = ["ant", "bee", "cat"].flatMap((name) => Array.from({ length: 20 }, (_, i) => `${name}/${i};m;${name}`));
  writeFileSync(at("list.csv"), `id;other;sort\n${lines.join("\n")}\nant/99;m;ant\n`);
  train("list.csv", "list-run", "--images", "named", "--label-column", "sort", "--skip-bad-rows");
  const own = measured("list-run");
  assert.equal(own.images, 12);
  assert.deepEqual(measured("list-run", "list.csv"), own);
  const stranger = "named-run/checkpoints/best/model.safetensors";
  assert.match(knack("eval", stranger).stderr, /does not say what it was trained on/);
  const resumed = knack("train", "--resume", "list-run");
  assert.equal(resumed.status, 0, resumed.stderr);
});

test("files that are not read are said, and a folder without classes sends to predict", async () => {
  await pictures("mixed", { ant: 2, bee: 2, cat: 2 });
  writeFileSync(at("mixed/ant/x.heic"), "\0\0\0\x18ftypheic");
  assert.match(measured("named-run", "mixed").said, /1 of 7 files not read: 1 HEIC/);
  await pictures("flat", { ".": 3 });
  assert.match(knack("eval", "named-run", "flat").stderr, /use knack predict/);
});

test("as many pictures may be bad as --max-bad-images says", async () => {
  await pictures("bad", { ant: 6, bee: 6, cat: 6 });
  for (const i of [0, 1]) writeFileSync(at("bad/ant", `${i}.png`), "");
  assert.match(knack("eval", "named-run", "bad").stderr, /2 of 18 pictures cannot be read, more than 5 %/);
  assert.equal(measured("named-run", "bad", "--max-bad-images", "20%").images, 16);
  assert.match(
    knack("eval", "named-run", "bad", "--max-bad-images", "lots").stderr,
    /--max-bad-images: must be a share/,
  );
});
