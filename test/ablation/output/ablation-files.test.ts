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
import { row } from "../../../src/ablation/tables/table.js";
import { writeTableFiles } from "../../../src/ablation/output/table-files.js";
import type { EpochEvent } from "../../../src/run/events.js";
import { presets } from "../../../src/recipe/presets.js";

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

function finished(top1: number): RunResult {
  const common = { type: "epoch", step: 1, trainLoss: 1, top5: 1, validationLoss: 1, lr: 0.1, best: true } as const;
  const epochs = [top1 / 2, top1].map((value, index): EpochEvent => {
    const times = { imagesPerSecond: 100 + index, waitSeconds: 0, badPictures: 0, seconds: 1 };
    const metrics = { "top-1": value, "top-5": 1, loss: 1 };
    return { ...common, ...times, epoch: index + 1, top1: value, metrics };
  });
  return { top1, bestTop1: top1 + 0.01, seconds: 2, epochs };
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
