/** Runs that are given no folder never meet in one. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RunFolder } from "../../src/run/run-folder.js";
import { inputError } from "../support/input-error.js";
import { scratchFolder } from "../support/scratch-folder.js";
import { writeTinyData } from "../support/tiny-data.js";

const at = scratchFolder("names");

test("the next free name is taken, whatever has it", () => {
  const taken = () => RunFolder.createNext(at("deep/down/run")).path;
  assert.equal(taken(), at("deep/down/run"));
  assert.equal(taken(), at("deep/down/run-2"));
  writeFileSync(at("deep/down/run-3"), "");
  mkdirSync(at("deep/down/run-4"));
  assert.equal(taken(), at("deep/down/run-5"));
  assert.ok(existsSync(at("deep/down/run-5/checkpoints")));
});

test("a folder that is asked for is not replaced by another", () => {
  RunFolder.create(at("asked"));
  assert.throws(() => RunFolder.create(at("asked")), inputError(/asked is not empty: .*--resume .*--out/));
  writeFileSync(at("file"), "");
  assert.throws(() => RunFolder.createNext(at("file/inside/run")), inputError(/cannot make the run folder .*--out/));
});

test("twelve processes at once: twelve folders", async () => {
  const module = new URL("../../src/run/run-folder.js", import.meta.url).href;
  const script = `const { RunFolder } = await import(${JSON.stringify(module)});
    for (let i = 0; i < 10; i++) RunFolder.createNext(process.argv[1] + i);`;
  const ends = Array.from({ length: 12 }, async () => {
    const args = ["--input-type=module", "-e", script, at("race/run-")];
    const [code] = await once(spawn(process.execPath, args, { stdio: "inherit" }), "exit");
    return code;
  });
  assert.deepEqual(await Promise.all(ends), Array(12).fill(0));
  assert.equal(readdirSync(at("race")).length, 120);
});

test("three trainings without a folder in one second, two of them in one process", async () => {
  const index = new URL("../../src/index.js", import.meta.url).href;
  const script = `const { train } = await import(${JSON.stringify(index)});
    const one = async () => {
      const recipe = { name: "r", model: "resnet18_small", modelOptions: { width: 2 }, epochs: 1, batchSize: 8 };
      for await (const event of train({ data: ${JSON.stringify(at("data"))}, recipe, engine: "plain" })) {
        if (event.type === "audit" || event.type === "done") console.log(event.run);
      }
    };
    await Promise.all(Array.from({ length: Number(process.argv[1]) }, one));`;
  writeTinyData(at("data"), { train: 16, validation: 8, classes: 2 });
  mkdirSync(at("here"));
  const outputs = [1, 2].map(async (count) => {
    const options = { cwd: at("here"), env: { ...process.env, OMP_NUM_THREADS: "1" } };
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, `${count}`], options);
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    child.stderr.pipe(process.stderr);
    const [code] = await once(child, "close");
    assert.equal(code, 0);
    return output.trim().split("\n");
  });
  const named = (await Promise.all(outputs)).flat();
  assert.equal(named.length, 6);
  assert.equal(new Set(named).size, 3, named.join());
  for (const run of named) assert.ok(existsSync(join(at("here"), run, "recipe.json")));
  assert.equal(readdirSync(at("here/runs")).length, 3);
});
