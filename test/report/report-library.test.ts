/** The report at the end of the library's `train`. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openData, train } from "../../src/index.js";
import { writeTinyData } from "../support/tiny-data.js";

process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-report-library-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

const RECIPE = { model: "resnet18_small", modelOptions: { width: 8 }, batchSize: 32, lr: 0.05, epochs: 1 };
const folder = writeTinyData(at("data"), { train: 64, validation: 40 });

test("the report is there when the run is done, with what only the program's images tell", async () => {
  const data = openData(folder);
  for await (const event of train({ data, recipe: RECIPE, out: at("run") })) {
    assert.equal(existsSync(at("run", "report.html")), event.type === "done", event.type);
  }
  const page = readFileSync(at("run", "report.html"), "utf8");
  assert.match(page, /measured again for this page in float32 on the 40 validation/);
  assert.match(page, /<h2>Most confident mistakes<\/h2>[\s\S]*src="data:image\/png;base64,/);
});

test("a report that cannot be written is a warning of one line, and the run is done", async () => {
  const warned = once(process, "warning");
  const types: string[] = [];
  for await (const event of train({ data: folder, recipe: RECIPE, out: at("blocked") })) {
    types.push(event.type);
    if (event.type === "audit") mkdirSync(at("blocked", "report.html"));
  }
  assert.equal(types.at(-1), "done");
  const [{ message }] = await warned;
  assert.match(message, /^no report of the run could be written: .*report\.html is a folder, not a file$/);
});
