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
const messages = messagesOfSources();

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
    "out of memory: …; raise it, or use a smaller --batch-size",
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

test("every row says why and what to do", () => {
  const empty = rows.filter((cells) => cells.length !== 3 || cells.some((cell) => cell === ""));
  assert.deepEqual(empty, []);
});
