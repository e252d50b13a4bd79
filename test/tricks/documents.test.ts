/** What the documents and the command line say of tricks is what the list says. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { addRecipeOptions } from "../../src/cli/options/recipe-options.js";
import { trickTable } from "../../src/tools/trick-table.js";
import { TRICKS } from "../../src/tricks/index.js";
import type { Trick } from "../../src/tricks/trick.js";
import { repositoryRoot } from "../support/oracle.js";

const read = (file: string) => readFileSync(join(repositoryRoot, file), "utf8");

test("the tables of tricks are up to date: npm run docs writes them", () => {
  assert.ok(read("docs/tricks.md").includes(trickTable(TRICKS)));
  assert.ok(read("README.md").includes(trickTable(TRICKS.filter(({ section }) => section !== undefined))));
});

test("every trick is a file of its name, has its switches in --help, and a paragraph that names its keys", () => {
  const help = addRecipeOptions(new Command()).helpInformation();
  const paragraphs = read("docs/tricks.md");
  for (const { name, switches, shape } of TRICKS as readonly Trick[]) {
    assert.ok(existsSync(join(repositoryRoot, "src/tricks", `${name}.ts`)), name);
    for (const { flags } of switches) assert.ok(help.includes(flags), flags);
    for (const key of Object.keys(shape)) assert.match(paragraphs, new RegExp(`\`${key}\\b`), key);
  }
});
