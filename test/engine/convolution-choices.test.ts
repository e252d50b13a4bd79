/** Which algorithm computes a convolution: chosen among what can be computed, kept with the machine and with the run. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { ConvolutionAlgorithms } from "../../src/engine/convolution-algorithms.js";
import { ConvolutionChoices, keyOf, parseKeptChoices } from "../../src/engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { type TrainEvent, type TrainOptions, train } from "../../src/index.js";
import type { Algorithms, ConvolutionShape } from "../../src/native/cpu/addon.js";
import { addon } from "../../src/native/torch/addon.js";
import { writeTinyData } from "../support/tiny-data.js";

addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-choices-"));
const at = (...path: string[]) => join(scratch, ...path);
const earlierCache = process.env.XDG_CACHE_HOME;
after(() => {
  if (earlierCache === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = earlierCache;
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  process.env.XDG_CACHE_HOME = at("cache");
  rmSync(at("cache"), { recursive: true, force: true });
});

const inner: ConvolutionShape = {
  images: [8, 16, 12, 12],
  outChannels: 16,
  groups: 1,
  kernel: [3, 3],
  stride: [1, 1],
  padding: [1, 1, 1, 1],
  bfloat16: false,
  training: true,
  first: false,
  channelsLast: false,
};
const first: ConvolutionShape = { ...inner, images: [8, 3, 12, 12], first: true };

/** An addon in which a pass takes what `seconds` says, and only `possible` choices can be computed. It counts what is timed. */
function fakeAddon(
  seconds: (pass: number, algorithms: Algorithms) => number,
  possible: (algorithms: Algorithms) => boolean = () => true,
  waiting = (_seconds: number) => 0,
) {
  const timed: string[] = [];
  return {
    timed,
    // For each pass measured a second on a processor; by then so many without one.
    scheduled: () => ({ running: timed.length, waiting: waiting(timed.length) }),
    timeConvolution: ({ algorithms, pass, repeats }: { algorithms: Algorithms; pass: number; repeats: number }) => {
      if (!possible(algorithms)) return null;
      if (repeats === 0) return 0;
      timed.push(`${pass} by ${algorithms.join("")}`);
      return seconds(pass, algorithms);
    },
  };
}

/** Winograd wins in the passes that are named. */
const winogradIn = (...passes: number[]) => {
  return (pass: number, algorithms: Algorithms) => ((algorithms[pass] === 1) === passes.includes(pass) ? 1 : 2);
};

const chosen = (fake: ReturnType<typeof fakeAddon>, shape: ConvolutionShape, choices = new ConvolutionChoices()) => {
  const algorithms = new ConvolutionAlgorithms(fake, "machine", choices);
  return algorithms.choose(shape, true);
};

describe("choosing", () => {
  test("the fastest of each pass, told once before it is measured", () => {
    let told = 0;
    const choices = new ConvolutionChoices(undefined, () => {
      told += 1;
    });
    assert.deepEqual(chosen(fakeAddon(winogradIn(0, 2)), inner, choices), [1, 0, 1]);
    chosen(fakeAddon(winogradIn()), { ...inner, outChannels: 32 }, choices);
    assert.equal(told, 1);
    assert.deepEqual(choices.toKeep()?.convolutions[keyOf(inner)], [1, 0, 1]);
  });

  test("what cannot be computed together with the other passes is no candidate, however fast it is", () => {
    const notAfterDirect = ([forward, , weights]: Algorithms) => !(forward === 0 && weights === 1);
    // Winograd's gradient of the weights wins by more than its forward pass loses, and wants that one.
    const gains = (pass: number, algorithms: Algorithms) => (pass === 0 ? 1 + 0.5 * algorithms[0] : 2 - algorithms[2]);
    assert.deepEqual(chosen(fakeAddon(gains, notAfterDirect), first), [1, 0, 1]);
    rmSync(at("cache"), { recursive: true });
    const loses = (pass: number, algorithms: Algorithms) => (pass === 0 ? 1 + 3 * algorithms[0] : 2 - algorithms[2]);
    assert.deepEqual(chosen(fakeAddon(loses, notAfterDirect), first), [0, 0, 0]);
  });

  test("nothing is timed where Winograd cannot be had, nor a pass that is not wanted", () => {
    const without = fakeAddon(winogradIn(), (algorithms) => !algorithms.some((algorithm) => algorithm === 1));
    assert.deepEqual([chosen(without, inner), without.timed], [[0, 0, 0], []]);
    const inference = fakeAddon(winogradIn(0));
    assert.deepEqual(chosen(inference, { ...inner, training: false }), [1, 0, 0]);
    assert.ok(inference.timed.every((timed) => timed.startsWith("0")));
  });

  test("a gain within the noise of measuring is none", () => {
    const little = (pass: number, algorithms: Algorithms) => (algorithms[pass] === 1 ? 0.97 : 1);
    assert.deepEqual(chosen(fakeAddon(little), inner), [0, 0, 0]);
  });
});

describe("remembering", () => {
  test("a machine measures each shape once, and keeps what another process has measured meanwhile", () => {
    const one = fakeAddon(winogradIn(0, 1, 2));
    const algorithms = new ConvolutionAlgorithms(one, "machine", new ConvolutionChoices());
    chosen(fakeAddon(winogradIn()), { ...inner, outChannels: 32 });
    algorithms.choose(inner, true);
    const again = fakeAddon(winogradIn());
    assert.deepEqual(chosen(again, inner), [1, 1, 1]);
    assert.deepEqual(chosen(again, { ...inner, outChannels: 32 }), [0, 0, 0]);
    assert.deepEqual(again.timed, []);
  });

  test("what was measured beside other programs is the run's alone", () => {
    const choices = new ConvolutionChoices();
    assert.deepEqual(
      chosen(
        fakeAddon(winogradIn(0), undefined, (seconds) => seconds / 2),
        inner,
        choices,
      ),
      [1, 0, 0],
    );
    assert.deepEqual(choices.toKeep()?.convolutions[keyOf(inner)], [1, 0, 0]);
    const alone = fakeAddon(winogradIn(2));
    assert.deepEqual(chosen(alone, inner), [0, 0, 1]);
    assert.notDeepEqual(alone.timed, []);
    assert.deepEqual(chosen(fakeAddon(winogradIn()), inner), [0, 0, 1]);
  });

  test("what disturbed measuring once is measured again, and kept", () => {
    const disturbed = fakeAddon(winogradIn(0), undefined, (seconds) => Math.min(seconds, 1));
    assert.deepEqual(chosen(disturbed, inner), [1, 0, 0]);
    const again = fakeAddon(winogradIn(2));
    assert.deepEqual(chosen(again, inner), [1, 0, 0]);
    assert.deepEqual(again.timed, []);
  });

  test("of two processes that measure at once, the first to say so decides for both", () => {
    const [one, two] = [winogradIn(0), winogradIn(2)].map(
      (wins) => new ConvolutionAlgorithms(fakeAddon(wins), "machine", new ConvolutionChoices()),
    );
    assert.deepEqual(one?.choose(inner, true), [1, 0, 0]);
    assert.deepEqual(two?.choose(inner, true), [1, 0, 0]);
  });

  test("a run's choices come before the machine's, where they are of this machine and can be computed", () => {
    chosen(fakeAddon(winogradIn()), inner);
    const kept = { machine: "machine", convolutions: { [keyOf(inner)]: [0, 1, 1] as const } };
    const fake = fakeAddon(winogradIn());
    assert.deepEqual(chosen(fake, inner, new ConvolutionChoices(kept)), [0, 1, 1]);
    assert.deepEqual(chosen(fake, inner, new ConvolutionChoices({ ...kept, machine: "other" })), [0, 0, 0]);
    const cannot = fakeAddon(winogradIn(), ([, data]) => data === 0);
    assert.deepEqual(chosen(cannot, inner, new ConvolutionChoices(kept)), [0, 0, 0]);
  });

  test("a remembered choice that cannot be computed is measured anew", () => {
    chosen(fakeAddon(winogradIn(0, 1, 2)), inner);
    const fake = fakeAddon(winogradIn(2), ([forward]) => forward === 0);
    assert.deepEqual(chosen(fake, inner), [0, 0, 1]);
    assert.deepEqual(chosen(fakeAddon(winogradIn()), inner), [0, 0, 1], "and remembered so");
  });

  test("a file that holds anything else is passed over", () => {
    for (const value of [null, 3, [], {}, { machine: 1 }]) assert.equal(parseKeptChoices(value), undefined);
    const odd = { machine: "m", convolutions: { a: [0, 1], b: [0, 1, 2], c: "x", d: [0, 1, 1] } };
    assert.deepEqual(parseKeptChoices(odd)?.convolutions, { d: [0, 1, 1] });
  });
});

const hasFast = FastEngine.open(DEFAULT_ENGINE, { device: "cpu", precision: "fp32" }) !== undefined;

describe("a run", { skip: !hasFast && "the fast engine cannot be had on this machine" }, () => {
  writeTinyData(at("data"));
  const recipe = { model: "resnet18_small", modelOptions: { width: 16 }, batchSize: 32, lr: 0.05, epochs: 2 };

  async function events(options: Partial<TrainOptions>, out: string): Promise<TrainEvent[]> {
    const all: TrainEvent[] = [];
    for await (const event of train({ data: at("data"), recipe, out: at(out), ...options })) all.push(event);
    return all;
  }
  const weightsOf = (run: string) => readFileSync(at(run, "checkpoints/last/model.safetensors"));
  const keptBy = (run: string) => JSON.parse(readFileSync(at(run, "checkpoints/last/convolutions.json"), "utf8"));
  /** Leaves the machine with the other algorithm for every pass that has two. */
  function turnCache(): void {
    const [file = ""] = readdirSync(at("cache/knack"));
    const known: Record<string, Algorithms> = JSON.parse(readFileSync(at("cache/knack", file), "utf8"));
    const turned = Object.entries(known).map(([key, algorithms]) => [key, algorithms.map((each) => 1 - each)]);
    writeFileSync(at("cache/knack", file), JSON.stringify(Object.fromEntries(turned)));
  }

  test("goes on and is repeated with its own choices on a machine that would choose otherwise", async () => {
    await events({}, "whole");
    turnCache();
    for await (const event of train({ data: at("data"), recipe: at("whole"), out: at("parts") })) {
      if (event.type === "step" && event.step === 3) break;
    }
    for await (const _ of train({ resume: at("parts") }));
    assert.ok(weightsOf("parts").equals(weightsOf("whole")));
    assert.deepEqual(keptBy("parts"), keptBy("whole"));
  });

  test("--reproducible chooses nothing by timing", async () => {
    await events({ reproducible: true }, "reproducible");
    mkdirSync(at("cache/knack"), { recursive: true });
    assert.deepEqual(readdirSync(at("cache/knack")), []);
    const { convolutions } = keptBy("reproducible");
    assert.ok(Object.keys(convolutions).length > 0);
    assert.ok(Object.values(convolutions).every((choice) => String(choice) === "0,0,0"));
    await events({ winograd: false }, "direct");
    assert.ok(weightsOf("reproducible").equals(weightsOf("direct")));
    assert.equal(JSON.parse(readFileSync(at("reproducible/environment.json"), "utf8")).reproducible, true);
  });

  test("is fast whatever the machine's cache holds", async () => {
    await events({ reproducible: true }, "shapes");
    const { machine, convolutions } = keptBy("shapes");
    await events({}, "measured");
    const [file = ""] = readdirSync(at("cache/knack"));
    for (const choice of [
      [0, 1, 1],
      [0, 0, 1],
      [1, 0, 0],
    ]) {
      const kept = Object.fromEntries(Object.keys(convolutions).map((key) => [key, choice]));
      const choices = new ConvolutionChoices(parseKeptChoices({ machine, convolutions: kept }));
      const engine = FastEngine.open({ ...DEFAULT_ENGINE, choices }, { device: "cpu", precision: "fp32" });
      assert.ok(engine);
      writeFileSync(at("cache/knack", file), JSON.stringify(kept));
      const [audit] = await events({}, `poisoned-${choice.join("")}`);
      assert.equal(audit?.type === "audit" && audit.engine, "fast", choice.join());
    }
  });
});
