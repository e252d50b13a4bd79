/** A run whose data have a test part: it is measured once, at the end, and the run goes on with what it held out. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { openData } from "../../src/data/sources/open.js";
import { writeReport } from "../../src/report/write-report.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { evaluationData } from "../../src/run/evaluation-data.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";
import { ofType, scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("test-part");
const recipe = tiny({ imageSize: 24, epochs: 2 });
const json = (run: string, name: string) => JSON.parse(readFileSync(at(run, name), "utf8"));

before(async () => {
  const names = ["ant", "bee"].flatMap((name) => numbered(name, 16));
  await writePhotos(at("photos"), names);
  writeFileSync(
    at("parts.csv"),
    ["ant", "bee"]
      .flatMap((name) => numbered(name, 3))
      .map((path) => `${path},test\n`)
      .join(""),
  );
});

test("the test part is measured once, by the best weights, and again only after more epochs", async () => {
  const selection = { split: { file: at("parts.csv"), validation: 0.25 } };
  const events = await session({ data: at("photos"), selection, recipe, out: at("run") });
  const [measured, ...more] = ofType(events, "test");
  assert.deepEqual([measured?.images, measured?.time, measured?.epochs, more.length], [6, 1, 2, 0]);
  assert.equal(events.at(-2), measured);
  const { test: kept } = openData(at("photos"), selection);
  assert.ok(kept);
  const again = await evaluateCheckpoint(at("run"), [kept]);
  assert.deepEqual(measured?.metrics, again.metrics);
  assert.equal(
    ofType(events, "epoch")
      .filter(({ best }) => best)
      .at(-1)?.epoch,
    measured?.epoch,
  );

  // The file is read once: what it said is the run's.
  rmSync(at("parts.csv"));
  assert.deepEqual(
    json("run", "test.json"),
    ["ant", "bee"].flatMap((name) => numbered(name, 3)),
  );
  assert.deepEqual(json("run", "data.json").split, { file: at("parts.csv"), validation: 0.25 });
  assert.equal(json("run", "data.json").held, undefined);
  assert.deepEqual(ofType(await session({ resume: at("run") }), "test"), []);
  const longer = ofType(await session({ resume: at("run"), recipe: { ...recipe, epochs: 3 } }), "test");
  assert.deepEqual(
    longer.map(({ epochs, time }) => [epochs, time]),
    [[3, 2]],
  );
  const { missing, file } = await writeReport(at("run"), {});
  assert.equal(missing, undefined);
  assert.match(readFileSync(file, "utf8"), /<h3>Test<\/h3>[\s\S]*<h3>Test<\/h3>[\s\S]*It was measured before/);
  const { source } = evaluationData(at("run"), undefined, {});
  assert.deepEqual([source.train.count, source.validation.count, source.test?.count], [20, 6, 6]);
});

test("a run of earlier times keeps what it held out, whatever would be chosen now", async () => {
  await session({ data: at("photos"), recipe, out: at("old") }, 3);
  const held = json("old", "validation.json");
  const others = [...numbered("ant", 3, 4), ...numbered("bee", 3, 4)];
  assert.notDeepEqual(held, others);
  writeFileSync(at("old", "validation.json"), JSON.stringify(others));
  await assert.rejects(
    session({ resume: at("old") }),
    /would go on otherwise.*images of class "ant" was 3 and is 3 others/,
  );
  writeFileSync(at("old", "validation.json"), "[1]");
  await assert.rejects(session({ resume: at("old") }), /cannot read .*validation\.json: it is no list of names/);
  writeFileSync(at("old", "validation.json"), JSON.stringify(["ant/gone.jpg"]));
  await assert.rejects(
    session({ resume: at("old") }),
    /of the pictures that the run held out none is in .*photos any more/,
  );
  writeFileSync(at("old", "validation.json"), JSON.stringify(held));
  assert.equal(ofType(await session({ resume: at("old") }), "epoch").length, 2);
});
