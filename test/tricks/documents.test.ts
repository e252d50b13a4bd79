/** What the documents and the command line say of tricks is what the list says. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { addRecipeOptions } from "../../src/cli/options/recipe-options.js";
import { AUGMENTATION_SWITCHES } from "../../src/data/augment/index.js";
import { OPTIMIZERS } from "../../src/optim/optimizers/index.js";
import { presets } from "../../src/recipe/presets.js";
import { CORE_SWITCHES } from "../../src/settings/core.js";
import { isObject } from "../../src/settings/schema.js";
import type { Switch } from "../../src/settings/switches.js";
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
    for (const key of Object.keys(shape)) {
      assert.ok(paragraphs.includes(`\`${key}`), `docs/tricks.md has no paragraph that names \`${key}\` in backticks`);
    }
  }
});

test("every switch sets a key that there is", () => {
  const parts: readonly { readonly switches: readonly Switch[]; readonly on: object }[] = [
    ...(TRICKS as readonly Trick[]).map(({ switches, paper }) => ({ switches, on: { ...presets.baseline, ...paper } })),
    ...OPTIMIZERS.map(({ switches }) => ({ switches, on: presets.baseline })),
    {
      switches: [...CORE_SWITCHES.training, ...CORE_SWITCHES.pictures],
      on: { ...presets.baseline, normalize: { mean: [], std: [] } },
    },
    { switches: AUGMENTATION_SWITCHES, on: presets.baseline },
  ];
  const step = { ...presets.baseline.schedule };
  for (const { switches, on } of parts) {
    for (const { flags, key, also = {} } of switches) {
      for (const path of [key, ...Object.keys(also)]) {
        const [outer = "", inner] = path.split(".");
        const whole = new Map<string, unknown>(Object.entries(on)).get(outer);
        const settings = outer === "schedule" ? step : whole;
        assert.notEqual(whole, undefined, `${flags}: there is no key ${outer}`);
        if (inner === undefined) continue;
        assert.ok(isObject(settings) && Object.hasOwn(settings, inner), `${flags}: there is no key ${path}`);
      }
    }
  }
});
