/** The table's files: names are data in each of them, partial results say so, and figures that are missing are no figures. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parse } from "csv-parse/sync";
import { tableDocument } from "../../../src/ablation/output/table-document.js";
import type { RunResult } from "../../../src/ablation/runs/results.js";
import type { AblationTable } from "../../../src/ablation/tables/table.js";
import { checkRows, row } from "../../../src/ablation/tables/table.js";
import { writeTableFiles } from "../../../src/ablation/output/table-files.js";
import type { EpochEvent } from "../../../src/run/events.js";
import { presets } from "../../../src/recipe/presets.js";
import { inputError } from "../../support/input-error.js";

const folder = mkdtempSync(join(tmpdir(), "knack-table-"));
after(() => rmSync(folder, { recursive: true }));

const HOSTILE = `<img src=x onerror=alert(1)> | "a", 'b' & </script>\n`;
const base = presets.baseline;
const table: AblationTable = {
  name: "grid.json",
  title: HOSTILE,
  comparison: `each with "${HOSTILE}"`,
  rows: [
    row("base", base, undefined, { top1: 0.7716, read: true }),
    row(HOSTILE, { ...base, lr: 1 }, "base", { top1: 0.7621, read: false }),
    row("wild", { ...base, lr: 2 }, "base"),
    row("not begun", { ...base, lr: 3 }, "base"),
  ],
  notes: [HOSTILE],
  teacher: undefined,
};

const valuesAt = (top1: number) => ({ "top-1": top1, "top-5": 1, loss: 1 - top1, "macro-f1": top1 / 2 });

function finished(top1: number): RunResult {
  const validationLoss = 1 - top1;
  const common = { type: "epoch", step: 1, trainLoss: 1, top5: 1, validationLoss, lr: 0.1, best: true } as const;
  const epochs = [top1 / 2, top1].map((value, index): EpochEvent => {
    const times = { imagesPerSecond: 100 + index, waitSeconds: 0, badPictures: 0, seconds: 1 };
    const metrics = valuesAt(value);
    return { ...common, ...times, epoch: index + 1, top1: value, metrics };
  });
  return { last: valuesAt(top1), best: valuesAt(top1 + 0.01), seconds: 2, epochs };
}

const runs = (...tops: number[]) => new Map(tops.map((top1, seed): [number, RunResult] => [seed, finished(top1)]));
const results = new Map([
  ["base", runs(0.5, 0.52, 0.51)],
  [HOSTILE, runs(0.6, 0.63, 0.6)],
  ["wild", new Map([...runs(0.4), [1, { diverged: "the loss is not finite" }] as [number, RunResult]])],
]);
const extent = { seeds: [0, 1, 2], epochsFactor: 1, trainShare: 0.25 };
const document = tableDocument(table, extent, `data of ${HOSTILE}`, results);
const files = writeTableFiles(folder, document, results);
const [json = "", csv = "", markdown = "", html = ""] = files.map((file) => readFileSync(file, "utf8"));

test("JSON has every figure, and null where there is none", () => {
  const { rows, complete, finishedRuns, runs: all } = JSON.parse(json);
  assert.deepEqual([complete, finishedRuns, all], [false, 8, 12]);
  const [, hostile, wild, notBegun] = rows;
  assert.equal(hostile.row, HOSTILE);
  assert.equal(hostile.verdict, "helps");
  assert.ok(Math.abs(hostile.delta.mean - 0.1) < 1e-12);
  assert.deepEqual(hostile.delta.seeds.length, 3);
  assert.equal(hostile.imagesPerSecond, 100.5);
  assert.deepEqual(wild.seeds, [0]);
  assert.deepEqual(wild.diverged, [{ seed: 1, message: "the loss is not finite" }]);
  assert.deepEqual([wild.verdict, wild.top1.ci95, wild.delta.seeds.length], ["unclear", null, 1]);
  assert.deepEqual([notBegun.top1, notBegun.delta, notBegun.imagesPerSecond], [null, null, null]);
});

test("CSV reads back", () => {
  const records = parse(csv, { columns: true }) as Record<string, string>[];
  assert.equal(records[1]?.row, HOSTILE);
  assert.equal(records[1]?.top1_seeds, "0.6 0.63 0.6");
  assert.equal(records[1]?.verdict, "helps");
  assert.equal(records[3]?.top1_mean, "");
  assert.equal(records[2]?.diverged_seeds, "1");
});

test("Markdown keeps its table whole", () => {
  const lines = markdown.split("\n").filter((line) => line.startsWith("|"));
  assert.equal(lines.length, 2 + table.rows.length);
  const bars = (line: string) => line.replaceAll("\\|", "").split("|").length;
  assert.equal(new Set(lines.map(bars)).size, 1);
  assert.doesNotMatch(markdown, /(?<!\\)<img/);
  assert.match(markdown, /PARTIAL: 8 of 12 runs/);
});

test("HTML shows names as text, has the plots, and needs nothing else", () => {
  assert.doesNotMatch(html, /<img|<script|onerror=alert\(1\)>/);
  assert.match(html, /&#60;img src=x onerror=alert\(1\)&#62;|&lt;img src=x onerror=alert\(1\)&gt;/);
  assert.equal(html.match(/<svg/g)?.length, 2 + table.rows.length, "top-1, differences, and each row's curves");
  assert.doesNotMatch(html, /(src|href)="|url\((?!#)|@import/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
  assert.match(html, /Partial/);
  assert.ok(html.length < 300_000);
});

test("a recalled figure of the paper is marked wherever it stands", () => {
  for (const text of [markdown, html]) {
    assert.match(text, /~(&#\d+;)?76\.21/);
    assert.doesNotMatch(text, /~77\.16/);
    assert.match(text, /those with ~ are recalled, not read in the paper/);
  }
  assert.deepEqual(
    JSON.parse(json).rows.map(({ paper }: { paper: { read: boolean } | null }) => paper?.read ?? null),
    [true, false, null, null],
  );
});

test("the loss stands beside top-1, with its difference", () => {
  const [, hostile] = JSON.parse(json).rows;
  assert.deepEqual(hostile.selected, hostile.top1);
  assert.ok(Math.abs(hostile.loss.mean + hostile.top1.mean - 1) < 1e-12);
  assert.ok(Math.abs(hostile.lossDelta.mean + hostile.delta.mean) < 1e-12);
  assert.match(markdown, /\| loss \(difference\) \|/);
  assert.match(markdown, /\| 0\.3900 \(−0\.1000 ± 0\.\d{4}\) \|/);
  assert.equal((parse(csv, { columns: true }) as Record<string, string>[])[0]?.loss_seeds, "0.5 0.48 0.49");
});

/** The files of a table whose rows are compared by another metric. */
function comparedBy(select: string) {
  const rows = table.rows.map((each) => ({ ...each, recipe: { ...each.recipe, select } }));
  const written = tableDocument({ ...table, rows }, extent, "data", results);
  const contents = writeTableFiles(folder, written, results).map((path) => readFileSync(path, "utf8"));
  return { rows: written.rows, text: contents[2] ?? "", page: contents[3] ?? "" };
}

test("rows are compared by what their recipes select by", () => {
  const { rows, text, page } = comparedBy("macro-f1");
  assert.ok(Math.abs((rows[1]?.delta?.mean ?? 0) - 0.05) < 1e-12);
  assert.match(text, /\| row \| macro F1 % \| difference \| verdict \| best \| top-1 % \| loss \(difference\) \|/);
  assert.match(page, /Macro F1 of the last epoch[\s\S]*Validation macro F1 over the epochs/);
});

test("of the loss the lower is better", () => {
  const { rows, text, page } = comparedBy("loss");
  assert.ok(Math.abs((rows[1]?.delta?.mean ?? 0) + 0.1) < 1e-12);
  assert.deepEqual([rows[1]?.verdict, rows[1]?.selected?.mean], ["helps", rows[1]?.loss?.mean]);
  assert.match(text, /\| row \| loss \| difference \| verdict \| best \| top-1 % \| images\/s \|/);
  assert.match(text, /what is lower is better/);
  assert.doesNotMatch(page, /NaN|undefined|Infinity/);
});

test("no axis of shares goes beyond 100 %", () => {
  const perfect = new Map([
    ["base", runs(1, 0.9, 1)],
    [HOSTILE, runs(1, 1, 1)],
  ]);
  const whole = tableDocument(table, extent, "data", perfect);
  const [, , , page = ""] = writeTableFiles(folder, whole, perfect).map((path) => readFileSync(path, "utf8"));
  const [, ofValues = ""] = /aria-label="top-1 \(%\) of each row"[^>]*>([\s\S]*?)<\/svg>/.exec(page) ?? [];
  const numbers = [...ofValues.matchAll(/>(\d+(?:\.\d+)?)<\/text>/g)].map(([, text]) => Number(text));
  assert.ok(numbers.length > 2 && Math.max(...numbers) <= 100, numbers.join(" "));
  const shares = [...page.matchAll(/>(\d+) %<\/text>/g)].map(([, text]) => Number(text));
  assert.ok(shares.length > 2 && Math.max(...shares) === 100, shares.join(" "));
});

test("rows that select differently are no table", () => {
  const rows = [row("a", base, undefined), row("b", { ...base, select: "loss" }, "a")];
  assert.throws(() => checkRows("grid.json", rows), inputError(/"b" selects by loss and "a" by top-1/));
});
