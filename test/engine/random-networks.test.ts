/**
 * Random small networks computed by both engines, in both layouts. Some in every run of the tests, 500 by `npm run test:networks`; one that failed,
 * by its seed: `KNACK_NETWORKS=217-217 node scripts/test.mjs random-networks`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { addon } from "../../src/native/torch/addon.js";
import { compareEngines } from "../support/compare-engines.js";

addon.setThreads(1);

const SEEDS = 40;
/** "500": so many seeds from 0; "217-217" or "100-199": those. */
const [first = "0", last] = (process.env.KNACK_NETWORKS ?? String(SEEDS)).split("-");
const seeds =
  last === undefined
    ? Array.from({ length: Number(first) }, (_, seed) => seed)
    : Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index);

const fast = FastEngine.open(DEFAULT_ENGINE, { device: "cpu", precision: "fp32" });
const options = { skip: fast === undefined && "the fast engine cannot be had on this machine" };

test(
  `${seeds.length} random networks: evaluation, logits, gradients and running statistics are the plain engine's`,
  options,
  () => {
    const failed: string[] = [];
    let compared = 0;
    for (const seed of seeds) {
      const { text, differences, lacks } = compareEngines(seed, ["blocks", "channels-last"]);
      if (lacks === undefined) compared += 1;
      if (differences.length > 0) failed.push([`seed ${seed}: ${text}`, ...differences].join("\n  "));
    }
    assert.equal(failed.length, 0, `${failed.length} of ${seeds.length} differ\n${failed.join("\n")}`);
    assert.ok(compared >= 0.8 * seeds.length, `only ${compared} of ${seeds.length} were computed by the fast engine`);
  },
);
