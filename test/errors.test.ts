/** docs/errors.md has every message that the sources have for people, in their words, and no other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { messagesOfSources } from "./support/messages.js";
import { repositoryRoot } from "./support/oracle.js";

const rows = readFileSync(join(repositoryRoot, "docs/errors.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| `/.test(line))
  .map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("\\|", "|")),
  );
const { messages, passedOn } = messagesOfSources();

/** Where a message is only passed on, a phase is named, or a result is remarked on: nothing to look up is made there. */
const PASSED_ON = [
  "src/settings/schema.ts: issue.message",
  "src/onnx/quantize/left-in-float.ts: error",
  "src/onnx/quantize/quality.ts: squares / logits.length",
  "src/onnx/quantize/quantize-checkpoint.ts: insteadOf",
  "src/cli/commands/quantize.ts: `knack: {line}`",
  "src/native/torch/library-settings.ts: line",
  'src/models/model-options.ts: problems.join("; ")',
  'src/weights/config.ts: `{where}: {path.join(".") || "the whole"}: {issue?.message}`.replace(/\\s+/g, " ")',
  "src/weights/load-model.ts: insteadOf",
  'src/tricks/own-trick.ts: `{where}: {lines.join("; ")}`',
  'src/recipe/parse.ts: `{where}: {lines.join("; ")}`',
  'src/ablation/tables/grid-file.ts: `{file}: {result.error.issues.map(problem).join("; ")}`',
  'src/inference/onnx-description.ts: `{path}: metadata {issue?.path.join(".")}: {issue?.message}`',
  "src/inference/classifier.ts: error",
  "src/inference/classifier.ts: insteadOf",
  "src/run/calibrate-checkpoint.ts: insteadOf",
  "src/cli/commands/explain.ts: `knack: warning: {explainer.insteadOf}`",
  "src/cli/commands/explain.ts: `knack: {error.message}`",
  "src/suspects/find-suspects.ts: `{run.path}: {measured.missing}`",
  "src/cli/commands/calibrate.ts: `knack: warning: {insteadOf}`",
  "src/base/thread-stream.ts: message",
  "src/data/loading/loader.ts: reply.failure",
  "src/run/checkpoint-on-data.ts: insteadOf",
  "src/run/evaluate-checkpoint.ts: insteadOf",
  "src/train.ts: await report(event.run, options)",
  "src/tools/rehearsal/rehearsal.ts: `{name}: {error.message}`",
  "src/ablation/output/summary.ts: run.diverged",
  "src/cli/stops/until-signal.ts: `knack: {error.message}`",
  "src/cli/commands/eval.ts: `knack: warning: {insteadOf}`",
  "src/cli/commands/eval.ts: `knack: {line}`",
  "src/onnx/export-checkpoint.ts: insteadOf",
  "src/cli/commands/export.ts: `knack: warning: {report.insteadOf}`",
  "src/cli/commands/predict.ts: `knack: warning: {classifier.insteadOf}`",
  "src/cli/commands/predict.ts: `knack: {unread}`",
  "src/cli/commands/predict.ts: `knack: {error.message}`",
  "src/weights/hub/pull-model.ts: []",
  "src/cli/commands/train.ts: `{(thrown as Error).message}; {advice}`",
  "src/cli/commands/train.ts: error instanceof Error ? error.message : String(error)",
  "src/cli/main.ts: `knack: warning: {line}`",
  'src/cli/main.ts: error.message.replace(/^error: /, "knack: ").replaceAll("\\n", " ")',
  'src/cli/main.ts: `knack: {message.split("\\n", 1)[0]}`',
  "src/run/session.ts: OPENING",
  "src/run/session.ts: last.insteadOf",
  "src/run/session.ts: BUILDING",
  "src/run/session.ts: doing",
  "src/cli/commands/train.ts: `{event.message}: {advice}`",
  "src/run/session.ts: COMPARING",
  "src/run/session.ts: MEASURING",
  "src/run/session.ts: ENDING",
  "scripts/setup.mjs: `setup: {error instanceof Error ? error.message : error}`",
  "scripts/build-addon.mjs: `addon: {error instanceof Error ? error.message : error}`",
  "scripts/from-pip.mjs: (ran.stderr || ran.stdout || ran.error?.message || `{program} failed`).trim()",
];

/** The code spans of a cell: a message with backticks in it stands in doubled ones. */
function spans(cell: string): string[] {
  return Array.from(cell.matchAll(/(`+)(.*?[^`])\1(?!`)/g), ([, , words = ""]) => words.replace(/^ (.*) $/, "$1"));
}

const documented = rows.flatMap(([cell = ""]) => spans(cell));

test("the sources are read: messages of every kind are found", () => {
  const found = new Set(messages.map(({ words }) => words));
  for (const words of [
    "…: there is no such file", // one way of a condition in a template
    "must be …, not …", // a schema's
    "OMP_NUM_THREADS=…: there are no more than … cores to compute on: all are used", // told through a parameter
    "out of memory: …; raise it, or use a smaller model or --batch-size",
    "cannot read the picture …: …", // made by a class itself
    "stopping was held by … for … s and waits no longer; what was saved before is whole",
    "…: diverged; back to step …, from here with … of the rate", // a warning
    "TensorBoard's events cannot be kept: …", // a parameter of a function
    'the file says "…": …', // one of a list
    "not set up yet: run `npm run setup`", // before anything is compiled
    "Node … is too old: knack needs Node 20.10 or later",
  ]) {
    assert.ok(found.has(words), words);
  }
});

test("every message of the sources is in docs/errors.md: write a row for each that is listed here", () => {
  const missing = messages.filter(({ words }) => !documented.includes(words));
  assert.deepEqual(
    missing.map(({ words, place }) => `${place}: ${words}`),
    [],
  );
});

test("docs/errors.md has no message that the sources no longer have, and none twice", () => {
  const found = new Set(messages.map(({ words }) => words));
  assert.deepEqual(
    documented.filter((words, at) => !found.has(words) || documented.indexOf(words) !== at),
    [],
  );
});

test("no message is overlooked: what has no words beside it is known to pass on what is made elsewhere", () => {
  assert.deepEqual(
    passedOn.filter((place) => !PASSED_ON.includes(place)),
    [],
  );
  assert.deepEqual(
    PASSED_ON.filter((place) => !passedOn.includes(place)),
    [],
  );
});

test("every row says why and what to do", () => {
  const empty = rows.filter((cells) => cells.length !== 3 || cells.some((cell) => cell === ""));
  assert.deepEqual(empty, []);
});
