/** A thread that hangs, in whatever, does not keep the process; a thread's timer does not either. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { startKnack, until } from "../../support/command.js";
import { scratchFolder } from "../../support/tiny-training.js";
import { writeTinyData } from "../../support/tiny-data.js";

const at = scratchFolder("hung-threads");

/** Does `start` when the run begins, `third` after its third step. */
function ownTrick(name: string, { start = "", third = "" }: { start?: string; third?: string }): string {
  const file = at(`${name}.mjs`);
  const program = `
    import { execFileSync } from "node:child_process";
    import { writeFileSync } from "node:fs";
    import { defineTrick } from "knack";
    export const own = defineTrick({
      name: "own", module: import.meta.url, settings: {}, defaults: {},
      start: () => {
        let steps = 0;
        ${start}
        return {
          stepped: () => { if (++steps === 3) { writeFileSync(${JSON.stringify(at(`${name}.third`))}, ""); ${third} } },
          touched: () => ({ asked: true, count: 1, detail: "own" }),
        };
      },
    });
    export default {
      model: "resnet18_small", modelOptions: { width: 4 }, epochs: 1, batchSize: 16, tricks: [own({})],
    };`;
  writeFileSync(file, program);
  return file;
}

const trainWith = (name: string, what: { start?: string; third?: string }) =>
  startKnack(["train", at("data"), "--recipe", ownTrick(name, what), "--engine", "plain", "--out", at(name)]);

describe("threads", { concurrency: 3 }, () => {
  before(() => writeTinyData(at("data"), { train: 64, validation: 32 }));

  test("a timer that nobody clears", { timeout: 120_000 }, async () => {
    const { code, stderr } = await trainWith("timer", { start: "setInterval(() => {}, 1000);" }).ended;
    assert.deepEqual([code, stderr], [0, ""]);
  });

  const hangs = {
    "an endless loop": ["for (;;);", { code: 143, signal: null }],
    // A thread inside of a library cannot be ended, so the process is: for a shell that is 143 as well.
    "a call that does not come back": ['execFileSync("sleep", ["30"]);', { code: null, signal: "SIGTERM" }],
  } as const;
  for (const [name, [third, how]] of Object.entries(hangs)) {
    test(`${name}: a stop says what held it, and ends`, { timeout: 120_000 }, async () => {
      const { child, ended } = trainWith(name, { third });
      await until("the third step", () => existsSync(at(`${name}.third`)));
      child.kill("SIGTERM");
      const { code, signal, stderr } = await ended;
      assert.deepEqual({ code, signal }, how);
      assert.match(stderr, /^stopping at a checkpoint .*\nknack: stopping was held by a training step for \d+ s/);
    });
  }
});
