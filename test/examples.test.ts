/** The examples do what they say. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "./support/oracle.js";

const lines = (name: string) => readFileSync(join(repositoryRoot, "examples", name), "utf8").split("\n").length - 1;

test("a training in 100 lines learns", () => {
  assert.ok(lines("train-in-100-lines.ts") <= 100);
  const program = join(repositoryRoot, "dist/examples/train-in-100-lines.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /warmup: 94 steps[\s\S]*label-smoothing: targets 0.9[\s\S]*step 1 of 468: loss/);
  const [, top1 = "0"] = /epoch 1: top-1 ([\d.]+) %/.exec(stdout) ?? [];
  assert.ok(Number(top1) > 75, `top-1 ${top1} % of Fashion-MNIST`);
});

test("a trick of one's own is short", () => {
  assert.ok(lines("own-trick.ts") < 60);
});
