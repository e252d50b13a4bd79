/** The same commands on processors that this one can be made to look like: with AVX-512, with AVX2 alone, with less. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import { cpuAddon } from "../../src/native/cpu/addon.js";
import { repositoryRoot } from "../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-processors-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

for (const [label, colour] of Object.entries({ green: "#208040", orange: "#e08030" })) {
  for (const [part, count] of Object.entries({ train: 24, val: 8 })) {
    mkdirSync(at("data", part, label), { recursive: true });
    for (let i = 0; i < count; i++) {
      const background = sharp({ create: { width: 40 + i, height: 40, channels: 3, background: colour } });
      await background.png().toFile(at("data", part, label, `${i}.png`));
    }
  }
}

function knack(set: string, ...args: string[]) {
  const isa = { DNNL_MAX_CPU_ISA: set, ONEDNN_MAX_CPU_ISA: set };
  const env = { ...process.env, ...isa, OMP_NUM_THREADS: "1", XDG_CACHE_HOME: at("cache") };
  const bin = join(repositoryRoot, "bin/knack.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], { encoding: "utf8", env });
  assert.deepEqual([status, stderr], [0, ""], `${set}: knack ${args.join(" ")}\n${stdout}`);
  return stdout;
}

const here = cpuAddon()?.processor();
const reason = "the fast engine cannot be had on this machine";
const hasFast = here !== undefined && here.block !== null;

describe("train, eval, predict and report", { skip: !hasFast && reason }, () => {
  // ResNet-D has every kind of layer but depthwise convolutions and concatenations.
  const model = "--model resnet18d_small --option width=16 --image-size 32".split(" ");
  const training = [...model, ..."--epochs 2 --batch-size 8 --workers 0 --lr 0.02 --warmup 0.5".split(" ")];
  for (const [set, engine] of [
    ["ALL", "fast engine"],
    ["AVX2", "fast engine"],
    ["SSE41", "plain engine (no fast one: it needs a processor with AVX2, and this has sse41)"],
  ] as const) {
    test(`${set}: ${engine}`, () => {
      const run = at(set);
      const shown = knack(set, "train", at("data"), ...training, "--out", run);
      // Beside other programs the line goes on.
      assert.match(
        shown.slice(shown.indexOf(`, fp32, ${engine}`)),
        /^[^\n;]*engine[^\n;]*(; slower now, as [^\n]*)?\n/,
        shown,
      );
      const [, top1 = ""] = /best ([\d.]+ %)/.exec(shown) ?? [];
      assert.match(readFileSync(join(run, "report.html"), "utf8"), /orange/);
      assert.ok(knack(set, "eval", run, at("data")).includes(top1), `${top1} again`);
      assert.match(knack(set, "predict", run, at("data/val/orange/0.png")), /orange|green/);
    });
  }

  test("AVX2 computes what AVX-512 does, but for rounding", () => {
    // Without Winograd's algorithm, whose rounding is another and which is taken where it is the fastest: pictures of one colour have next to no
    // variance, by which batch norms divide.
    const losses = (set: string) => {
      const run = at(`${set}-reproducible`);
      knack(set, "train", at("data"), ...training, "--reproducible", "--out", run);
      return readFileSync(join(run, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
        .filter(({ type }) => type === "step")
        .map(({ loss }) => loss as number);
    };
    const [wide, narrow] = [losses("ALL"), losses("AVX2")];
    for (const step of [0, 1]) {
      const [a = Number.NaN, b = Number.NaN] = [wide[step], narrow[step]];
      assert.ok(Math.abs(a - b) < 1e-4 * Math.max(1, a), `step ${step + 1}: ${a}, ${b}`);
    }
  });
});
