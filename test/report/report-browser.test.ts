/** Reports and an ablation's page as a real Chromium shows them, with names of classes, files and rows that try to be more than text. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import type { TableDocument } from "../../src/ablation/output/table-document.js";
import type { RowSummary } from "../../src/ablation/output/summary.js";
import { tableHtml } from "../../src/ablation/output/table-html.js";
import { printable } from "../../src/base/printable.js";
import { presets } from "../../src/recipe/presets.js";
import { openPage, startBrowser } from "../support/browser.js";
import { HOSTILE_NAMES, writeHostilePhotos } from "../support/hostile-photos.js";
import { repositoryRoot } from "../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-browser-"));
const at = (...path: string[]) => join(scratch, ...path);

let browser: Browser;
before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser.close();
  rmSync(scratch, { recursive: true, force: true });
});

const VIEWS = [
  { width: 1200, colorScheme: "light" },
  { width: 1200, colorScheme: "dark" },
  { width: 360, colorScheme: "light" },
  { width: 360, colorScheme: "dark" },
] as const;

interface Found {
  readonly text: string;
  readonly background: string;
  /** Pixels by which the page is wider than its window. */
  readonly overflow: number;
  /** Elements that run or load something. */
  readonly active: number;
  /** Pictures that are not shown, or not from the page itself. */
  readonly badPictures: number;
}

/** Runs in the browser; as text, because the compiler knows only Node here. */
const INSPECTION = `({
  text: document.body.textContent,
  background: getComputedStyle(document.body).backgroundColor,
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  active: document.querySelectorAll("script, iframe, object, embed, link, a, [onerror], [onload], [onmouseover]").length,
  badPictures: [...document.images].filter(({ naturalWidth, src }) => naturalWidth === 0 || !src.startsWith("data:")).length,
})`;

/** What must hold of any page in any view. */
async function inspect(file: string, view: (typeof VIEWS)[number]): Promise<Found> {
  const { page, incidents } = await openPage(browser, file, view);
  const found = await page.evaluate<Found>(INSPECTION);
  await page.close();
  assert.deepEqual(incidents, []);
  assert.equal(found.overflow, 0, `the page is ${found.overflow} px wider than ${view.width} px`);
  assert.equal(found.active, 0);
  assert.equal(found.badPictures, 0);
  return found;
}

async function inspectAll(file: string, names: readonly string[]): Promise<void> {
  const backgrounds = new Map<string, string>();
  for (const view of VIEWS) {
    const { text, background } = await inspect(file, view);
    backgrounds.set(view.colorScheme, background);
    for (const name of names) assert.ok(text.includes(printable(name)), `${JSON.stringify(name)} is not shown as text`);
  }
  assert.notEqual(backgrounds.get("light"), backgrounds.get("dark"));
}

describe("the report that knack train leaves", () => {
  const run = at("run <b>&amp;");
  before(async () => {
    const table = await writeHostilePhotos(at("photos"));
    const options =
      "--model resnet18_small --option width=8 --image-size 32 --epochs 1 --batch-size 6 --lr 0.01 --workers 0";
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [join(repositoryRoot, "bin/knack.js"), "train", table, ...options.split(" "), "--out", run],
      { encoding: "utf8", env: { ...process.env, OMP_NUM_THREADS: "1" } },
    );
    assert.equal(status, 0, stderr);
    assert.equal(stderr, "");
    assert.ok(stdout.endsWith(`report: ${join(run, "report.html")}\n`), stdout);
  });

  test("shows hostile names as text, loads nothing and fits a phone", async () => {
    await inspectAll(join(run, "report.html"), ["run <b>&amp;", ...HOSTILE_NAMES]);
  });

  test("shows mistakes as pictures with the names of their files", async () => {
    const { page } = await openPage(browser, join(run, "report.html"), VIEWS[0]);
    const cards = await page.locator(".card").allTextContents();
    assert.ok(cards.length >= 3, "an untrained network makes mistakes");
    assert.equal(
      await page.locator(".card img").count(),
      2 * cards.length,
      "the picture, and what the network saw in it",
    );
    for (const card of cards) assert.match(card, /\d [^/]*\.png/);
    assert.equal(await page.locator(".chart svg").count(), 6, "four curves and two of calibration");
    await page.close();
  });
});

test("an ablation's page shows hostile names as text, loads nothing and fits a phone", async () => {
  const { seed: _, ...recipe } = presets.baseline;
  const figures = { mean: 0.5, ci95: [0.4, 0.6] as const, seeds: [0.45, 0.55] };
  const rows = HOSTILE_NAMES.map((row, index): RowSummary => {
    const compared = index > 0;
    return {
      ...{ row, recipe, seeds: [0, 1], top1: figures, best: figures, imagesPerSecond: 100, seconds: 10, paper: null },
      ...{ selected: figures, loss: figures, lossDelta: compared ? figures : null },
      ...{ against: compared ? (HOSTILE_NAMES[index - 1] as string) : null, delta: compared ? figures : null },
      ...{ bestDelta: compared ? figures : null, verdict: compared ? "helps" : null, seedsToTell: null, diverged: [] },
    };
  });
  const document: TableDocument = {
    ...{ table: "x", title: "<b>title</b>", data: "<i>data</i>", seeds: [0, 1], trainShare: 1, complete: false },
    ...{ finishedRuns: 1, runs: 2, select: "top-1", comparison: "the row above", notes: ["<u>note</u>"], rows },
  };
  const file = at("table.html");
  writeFileSync(file, tableHtml(document, new Map()));
  assert.ok(existsSync(file) && readFileSync(file).length > 1000);
  await inspectAll(file, ["<b>title</b>", "<i>data</i>", "<u>note</u>", HOSTILE_NAMES[0] as string]);
});
