/** `knack data check`: what it finds in folders whose faults are known, in a process of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { checkPhotos } from "../../src/tools/data-check/check-photos.js";
import { writeContactSheet } from "../../src/tools/data-check/contact-sheet.js";
import { openPhotos } from "../../src/data/sources/open.js";
import { writeOddFolder } from "../support/bad-pictures.js";
import { inputError } from "../support/input-error.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-check-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Plain JPEG files of one colour, all different. */
async function writePictures(root: string, counts: Record<string, number>, side = 8): Promise<string> {
  let colour = 0;
  for (const [path, count] of Object.entries(counts)) {
    mkdirSync(join(root, path), { recursive: true });
    for (let i = 0; i < count; i++, colour++) {
      const background = { r: (colour * 40) % 256, g: (Math.floor(colour / 6) * 40) % 256, b: 100 };
      const picture = sharp({ create: { width: side + i, height: side, channels: 3, background } });
      await picture.jpeg().toFile(join(root, path, `${i}.jpg`));
    }
  }
  return root;
}

test("46 kinds of odd file: all bad ones by name, nothing hangs", async () => {
  const { folder, ordinary, files } = await writeOddFolder(join(scratch, "odd"));
  const source = openPhotos(folder);
  const report = await checkPhotos(source);
  const names = (expected: string) => files.filter((file) => file.expected === expected).map(({ name }) => name);
  assert.deepEqual(report.unreadable.map(({ name }) => name).sort(), names("bad").sort());
  assert.ok(report.unreadable.every(({ reason }) => reason !== "" && !reason.includes("\n")));
  const pictures = report.pictures.train + report.pictures.validation;
  assert.equal(pictures, 2 * ordinary + names("good").length + names("bad").length);
  const readable = Object.values(report.formats).reduce((sum, count) => sum + count, 0);
  assert.equal(readable, pictures - names("bad").length);
  assert.equal(report.otherFiles.count, names("other").length);
  assert.deepEqual(report.sizes?.width, { min: 1, median: 32, max: 60_000 });
  assert.deepEqual(report.problems, []);
  await writeContactSheet(source.train, join(scratch, "odd.png"));
});

test("counts, duplicates, leaks, conflicts and imbalance", async () => {
  const root = await writePictures(join(scratch, "faults"), { "train/a": 12, "train/b": 3, "val/a": 2, "val/b": 1 });
  const copy = (from: string, to: string) => copyFileSync(join(root, from), join(root, to));
  copy("train/a/0.jpg", "train/a/copy.jpg");
  copy("train/a/1.jpg", "val/a/leak.jpg");
  copy("train/a/2.jpg", "train/b/conflict.jpg");
  writeFileSync(join(root, "train/b/bad.jpg"), "bad");
  writeFileSync(join(root, "train/b/notes.txt"), "");
  const report = await checkPhotos(openPhotos(root));
  assert.deepEqual(report.classes, [
    { name: "a", train: 13, validation: 3 },
    { name: "b", train: 5, validation: 1 },
  ]);
  assert.deepEqual(report.unreadable, [
    { name: "train/b/bad.jpg", split: "train", reason: report.unreadable[0]?.reason },
  ]);
  assert.deepEqual(report.formats, { jpeg: 21 });
  assert.deepEqual(report.sizes?.width, { min: 8, median: 10, max: 19 });
  assert.deepEqual(report.sizes?.height, { min: 8, median: 8, max: 8 });
  const found = report.duplicates.map(({ pictures, leak, labelConflict }) => [
    pictures.map(({ name }) => name).join(" "),
    leak,
    labelConflict,
  ]);
  assert.deepEqual(found, [
    ["train/a/0.jpg train/a/copy.jpg", false, false],
    ["train/a/1.jpg val/a/leak.jpg", true, false],
    ["train/a/2.jpg train/b/conflict.jpg", false, true],
  ]);
  assert.deepEqual(report.imbalance, { largest: "a", smallest: "b", ratio: 2.6 });
  assert.match(report.problems.join("\n"), /^1 picture both in .*\n1 picture under several classes/);
  assert.match(report.advice.join("\n"), /^1 picture \(4.55 %\) cannot be read.*\n.*one class.*\n1 other file/);

  const uneven = await checkPhotos(openPhotos(await writePictures(join(scratch, "uneven"), { a: 20, b: 3 })));
  assert.match(uneven.advice.join("\n"), /"a" has 8.0 times as many training pictures as "b": consider class weights/);
  for (const i of [0, 1, 2]) writeFileSync(join(scratch, "uneven/a", `${i}.jpg`), "");
  const broken = await checkPhotos(openPhotos(join(scratch, "uneven")));
  assert.match(broken.problems.join("\n"), /^3 pictures \(13.04 %\) cannot be read; training stops above 5 %/);
});

test("the command: exit codes, JSON, contact sheet", async () => {
  const root = await writePictures(join(scratch, "command"), { "<b>bold & brave\u0007</i>": 4, plain: 4 });
  const command = new URL("../../src/cli/commands/data-check.js", import.meta.url).href;
  const run = (...args: string[]) => {
    const script = `import { dataCheckCommand } from ${JSON.stringify(command)};
      await dataCheckCommand().parseAsync(process.argv.slice(1), { from: "user" });`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", script, "--", ...args],
      { encoding: "utf8" },
    );
    return { status, stdout, stderr };
  };
  const sheet = join(scratch, "sheet.png");
  const good = run(root, "--json", "--sheet", sheet);
  assert.deepEqual([good.status, good.stderr], [0, ""]);
  assert.equal(JSON.parse(good.stdout).sheet, sheet);
  assert.deepEqual(JSON.parse(good.stdout).pictures, { train: 6, validation: 2 });
  const { width, height } = await sharp(readFileSync(sheet)).metadata();
  assert.ok(width > 8 * 100 && height > 2 * 100);

  copyFileSync(join(root, "plain/1.jpg"), join(root, "<b>bold & brave\u0007</i>", "copy.jpg"));
  const bad = run(root);
  assert.equal(bad.status, 1);
  assert.match(bad.stdout, /must be mended: 1 picture under several classes/);
  assert.match(bad.stdout, /to look at the pictures: --sheet/);
  assert.ok(!bad.stdout.includes("\u0007"));
  await assert.rejects(
    writeContactSheet(openPhotos(root).train, join(scratch, "x.gif")),
    inputError(/must end in .png/),
  );
});
