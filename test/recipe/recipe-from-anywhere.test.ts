/** Recipes are read from any file that is there: pipes, files without an ending, code in a named pipe. */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadRecipe } from "../../src/recipe/load-recipe.js";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("recipe");
const command = join(repositoryRoot, "bin/knack.js");

/** The recipe of a named pipe into which `text` is written. */
async function fromPipe(name: string, text: string) {
  spawnSync("mkfifo", [at(name)]);
  const writer = spawn("sh", ["-c", 'printf %s "$1" > "$2"', "sh", text, at(name)]);
  try {
    return await loadRecipe(at(name));
  } finally {
    writer.kill();
  }
}

test("the shell's <( … )", () => {
  const script = '"$@" --recipe <(echo \'{ "epochs": 7 }\') --steps-per-epoch 5';
  const run = spawnSync("bash", ["-c", script, "bash", process.execPath, command, "schedule"], { encoding: "utf8" });
  assert.deepEqual([run.status, run.stderr], [0, ""]);
  assert.match(run.stdout, /^baseline: 7 epochs of 5 steps/);
});

test("standard input", () => {
  const script = 'echo \'{ "name": "piped", "epochs": 7 }\' | "$@"';
  const args = [process.execPath, command, "schedule", "--recipe", "/dev/stdin", "--steps-per-epoch", "5"];
  const run = spawnSync("sh", ["-c", script, "sh", ...args], { encoding: "utf8" });
  assert.deepEqual([run.status, run.stderr], [0, ""]);
  assert.match(run.stdout, /^piped: 7 epochs of 5 steps/);
});

test("a named pipe; without a name of its own it is the preset's", async () => {
  assert.deepEqual(
    { ...(await fromPipe("pipe", '{ "epochs": 3 }')), epochs: 0 },
    { ...(await loadRecipe("baseline")), epochs: 0 },
  );
  assert.equal((await fromPipe("second", '{ "name": "mine", "lr": 0.5 }')).name, "mine");
  await assert.rejects(fromPipe("broken", "{"), inputError(/broken, line 1: not valid JSON/));
});

test("a pipe whose name says that it is code is read once", async () => {
  assert.equal((await fromPipe("pipe.ts", "export default { epochs: 4 as number };")).epochs, 4);
});

test("files without an ending, with another one, and links to them are JSON", async () => {
  for (const name of ["mine", "mine.recipe", "mine.json5", "mine.v2"]) {
    writeFileSync(at(name), '{ "epochs": 9 }');
    assert.equal((await loadRecipe(at(name))).epochs, 9, name);
  }
  assert.equal((await loadRecipe(at("mine"))).name, "mine");
  symlinkSync("mine", at("link"));
  assert.equal((await loadRecipe(at("link"))).epochs, 9);
});

test("a preset's name is the preset; what is not there, or a folder, is none", async () => {
  mkdirSync(at("folder"));
  symlinkSync("circle", at("circle"));
  for (const spec of [at("folder"), at("nothing"), at("circle"), "bagoftricks"]) {
    await assert.rejects(loadRecipe(spec), inputError(/^--recipe: there is no preset/));
  }
  writeFileSync(at("efficient"), "{}");
  const args = [command, "schedule", "--recipe", "efficient", "--steps-per-epoch", "5"];
  const run = await new Promise<string>((resolve) =>
    execFile(process.execPath, args, { cwd: at() }, (_, out) => resolve(out)),
  );
  assert.match(run, /^efficient: /);
});
