/** Among five classes or fewer every label is in the top 5: programs still get the figure, people do not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RunFolder } from "../../src/run/run-folder.js";
import { repositoryRoot, runPython } from "../support/oracle.js";
import { writeTinyData } from "../support/tiny-data.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-few-classes-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

function knack(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...args], {
    encoding: "utf8",
    cwd: scratch,
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

const MODEL = "--model resnet18_small --option width=8 --batch-size 32 --lr 0.05 --epochs 1".split(" ");
const FIGURE = /\d+\.\d\d %/;

/** What the event file holds of the epoch. */
function tagsOf(run: string): string[] {
  const file = join(scratch, run, "tensorboard", "events.out.tfevents.knack");
  const { events } = JSON.parse(runPython("read_event_file.py", file));
  return Object.keys(events.at(-1).values).sort();
}

for (const [classes, shown] of [
  [5, false],
  [6, true],
] as const) {
  test(`${classes} classes: top-5 is ${shown ? "" : "not "}shown`, () => {
    const [data, run] = [`data-${classes}`, `run-${classes}`];
    writeTinyData(join(scratch, data), { classes });
    const printed = knack("train", data, ...MODEL, "--out", run, "--tensorboard");
    for (const line of ["epoch 1/1", "done in"]) {
      const [text = ""] = printed.split("\n").filter((each) => each.startsWith(line));
      assert.match(text, FIGURE);
      assert.equal(text.includes("top-5"), shown, text);
    }
    const evaluated = new RegExp(
      `^top-1 \\S+ % \\| ${shown ? "top-5 \\S+ % \\| " : ""}loss \\d\\.\\d{4} \\| 64 images\n(.+\n)+lowest F1: .+\n$`,
    );
    const text = knack("eval", run, data);
    assert.match(text, evaluated);
    assert.match(text, /^balanced accuracy \S+ % \| macro F1 \S+ % /m);
    for (const line of text.trimEnd().split("\n")) assert.ok(line.length <= 80, line);
    const page = readFileSync(join(scratch, run, "report.html"), "utf8");
    assert.ok(page.includes("<dt>top-1</dt>") && page.includes("<dt>NLL (nats)</dt>"));
    assert.equal(page.includes("top-5"), shown);
    const tags = tagsOf(run);
    assert.deepEqual(
      ["loss/validation", "top1", "top5"].map((tag) => tags.includes(tag)),
      [true, true, shown],
    );

    const epoch = RunFolder.open(join(scratch, run))
      .readMetrics()
      .find((event) => event.type === "epoch");
    const { "top-1": top1, "top-5": top5, loss } = epoch?.metrics ?? {};
    assert.deepEqual([top1, top5, loss], [epoch?.top1, epoch?.top5, epoch?.validationLoss]);
    const json = JSON.parse(knack("eval", run, data, "--json"));
    assert.deepEqual(Object.keys(json), ["top1", "top5", "loss", "images", "metrics", "classes"]);
    assert.deepEqual(Object.keys(json.metrics), Object.keys(epoch?.metrics ?? {}));
    assert.deepEqual(
      json.classes.map((each: { class: string; images: number }) => each.images > 0),
      Array.from({ length: classes }, () => true),
    );
    for (const value of [json.top5, top5]) assert.ok(shown ? typeof value === "number" : value === 1);
  });
}
