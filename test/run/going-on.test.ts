/** Runs that go on for longer, with other settings, or on other data: what is allowed, what is refused, and what the history says. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { inputError } from "../support/input-error.js";
import {
  four,
  left,
  ofType,
  relabelled,
  scratchFolder,
  session,
  STEPS_PER_EPOCH,
  tiny,
} from "../support/tiny-training.js";

const at = scratchFolder("going-on");
const COSINE: RecipeInput = { schedule: { type: "cosine" } };

before(async () => {
  await session({ data: four, recipe: tiny({ epochs: 2 }), out: at("steps") });
  await session({ data: four, recipe: tiny({ epochs: 2, ...COSINE }), out: at("cosine") });
  await session({ data: four, recipe: tiny({ epochs: 4, ...COSINE }), out: at("stopped") }, 6);
});

function copy(of: string, name: string): string {
  fs.cpSync(at(of), at(name), { recursive: true, verbatimSymlinks: true });
  return at(name);
}

function saved(run: string, changes: RecipeInput) {
  const own = JSON.parse(fs.readFileSync(join(run, "recipe.json"), "utf8"));
  return parseRecipe(changes, "the test's changes", parseRecipe(own, run));
}

function goOn(run: string, changes: RecipeInput, allowChanges = false, data = four) {
  return session({ resume: run, data, recipe: saved(run, changes), allowChanges });
}

test("a finished run goes on for longer as one that was asked for so many epochs at once", async () => {
  const run = copy("steps", "longer");
  const events = await goOn(run, { epochs: 4 });
  const [changed] = ofType(events, "changed");
  assert.deepEqual(changed?.changes, [{ place: "epochs", was: 2, is: 4 }]);
  await session({ data: four, recipe: tiny({ epochs: 4 }), out: at("at once") });
  const whole = left(at("at once"));
  const { weights, state, metrics } = left(run);
  assert.deepEqual([weights, state], [whole.weights, whole.state]);
  const told = (of: { metrics: { type?: string }[] }) =>
    of.metrics
      .filter(({ type }) => type !== "changed" && type !== "audit")
      .map((line) => ({ ...line, totalSteps: 0, epochs: 0 }));
  assert.deepEqual(told({ metrics }), told(whole));
});

/** Equation 1 of the paper, over the rest. */
const cosineAt = (rate: number, step: number, steps: number) => 0.5 * rate * (1 + Math.cos((Math.PI * step) / steps));

test("a cosine is laid anew over the rest, from the rate it had", async () => {
  const run = copy("stopped", "cosine goes on");
  const events = await goOn(run, { epochs: 6 });
  const had = cosineAt(0.05, 5, 16); // the sixth step's, of four epochs
  const rates = ofType(events, "step").map(({ lr }) => lr);
  assert.equal(rates.length, 6 * STEPS_PER_EPOCH - 6);
  for (const [i, rate] of rates.entries())
    assert.ok(Math.abs(rate - cosineAt(had, i, 18)) < 1e-12, `step ${i}: ${rate}`);
  const [changed] = ofType(events, "changed");
  assert.deepEqual(changed?.lr, { was: had, is: rates[0], becomes: rates.at(-1) });
});

test("a cosine is laid anew from a new rate, and one that was stopped then has the same bits as one that was not", async () => {
  const run = copy("cosine", "new rate");
  const events = await goOn(run, { epochs: 4, lr: 0.02 });
  const rates = ofType(events, "step").map(({ lr }) => lr);
  for (const [i, rate] of rates.entries())
    assert.ok(Math.abs(rate - cosineAt(0.02, i, 8)) < 1e-12, `step ${i}: ${rate}`);
  const again = copy("cosine", "new rate, stopped");
  await session({ resume: again, data: four, recipe: saved(again, { epochs: 4, lr: 0.02 }) }, 10);
  await session({ resume: again, data: four });
  assert.deepEqual(left(again), left(run));
});

describe("other settings are refused with all that differs, and allowed where that is meant", () => {
  test("learning rate and augmentation", async () => {
    const run = copy("stopped", "changed");
    const changes: RecipeInput = { lr: 0.01, labelSmoothing: { epsilon: 0.2 } };
    await assert.rejects(
      goOn(run, changes),
      inputError(
        /would go on otherwise than it was trained: lr was 0\.05 and is 0\.01; labelSmoothing was .* --allow-changes/,
      ),
    );
    const events = await goOn(run, changes, true);
    assert.equal(ofType(events, "changed")[0]?.changes[0]?.place, "lr");
    const kept = JSON.parse(fs.readFileSync(join(run, "recipe.json"), "utf8"));
    assert.deepEqual([kept.lr, kept.labelSmoothing.epsilon], [0.01, 0.2]);
    const lines = fs.readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    assert.equal(lines.filter((line) => line.startsWith('{"type":"changed"')).length, 1);
  });

  test("another batch size begins the epoch under way anew", async () => {
    const run = copy("stopped", "batch");
    const events = await goOn(run, { batchSize: 16 }, true);
    const steps = ofType(events, "step");
    assert.deepEqual(
      steps.map(({ epoch, stepInEpoch }) => [epoch, stepInEpoch]),
      [2, 3, 4].flatMap((epoch) => [1, 2].map((step) => [epoch, step])),
    );
    const kept = left(run).metrics as { type: string; epoch: number }[];
    assert.equal(kept.filter(({ type, epoch }) => type === "step" && epoch === 1).length, STEPS_PER_EPOCH);
    assert.equal(kept.filter(({ type, epoch }) => type === "step" && epoch === 2).length, 2);
  });

  test("the model, and fewer epochs than there are, never", async () => {
    const run = copy("stopped", "model");
    await assert.rejects(
      goOn(run, { modelOptions: { width: 8 } }, true),
      inputError(/modelOptions\.width was 4 and is 8: that cannot change in a run; begin a new one with --init/),
    );
    await assert.rejects(
      goOn(run, { epochs: 1 }, true),
      inputError(/epochs \(--epochs\): .* is in epoch 2, more than 1/),
    );
  });

  test("a recipe.json that was edited", async () => {
    const run = copy("stopped", "edited");
    const file = join(run, "recipe.json");
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace('"weightDecay": 0.0001', '"weightDecay": 0.1'));
    await assert.rejects(session({ resume: run, data: four }), inputError(/weightDecay was 0\.0001 and is 0\.1; give/));
  });
});

describe("other data are refused with all that differs, class by class", () => {
  test("images in memory: other pixels, other classes, another number", async () => {
    const run = copy("stopped", "pixels");
    const pixels = new Uint8Array(new SharedArrayBuffer(four.train.pixels.length));
    pixels.set(four.train.pixels);
    pixels[5] = (pixels[5] as number) ^ 1;
    const train = { ...four.train, pixels };
    await assert.rejects(
      session({ resume: run, data: { ...four, train } }),
      inputError(/training images of class "class 3" was 7 and is 7 others; give --allow-changes/),
    );
    const five = relabelled(5, (label) => label % 5);
    await assert.rejects(
      session({ resume: run, data: five }),
      inputError(/classes was none and is class 4; training images/),
    );
    await session({ resume: run, data: { ...four, train }, allowChanges: true });
  });

  describe("photographs", () => {
    const photos = (...path: string[]) => at("photos", ...path);
    const recipe = tiny({ epochs: 2, imageSize: 32, batchSize: 4 });

    before(async () => {
      for (const name of ["ant", "bee", "cat"]) {
        fs.mkdirSync(photos(name), { recursive: true });
        for (let i = 0; i < 6; i++) {
          const create = { width: 20 + i, height: 20, channels: 3, background: "red" } as const;
          await sharp({ create })
            .jpeg()
            .toFile(photos(name, `${i}.jpg`));
        }
      }
      await session({ data: photos(), recipe, out: at("of photos") }, 2);
    });

    /** The run in a copy of its own, and the photographs too. */
    function changed(name: string, change: (folder: string) => void): { resume: string; data: string } {
      fs.cpSync(photos(), at(`photos ${name}`), { recursive: true });
      change(at(`photos ${name}`));
      return { resume: copy("of photos", `run ${name}`), data: at(`photos ${name}`) };
    }

    test("in another place the same ones go on", async () => {
      await session(changed("moved", () => {}));
    });

    test("a class renamed to another place in the order", async () => {
      const moved = changed("renamed", (folder) => fs.renameSync(join(folder, "ant"), join(folder, "dog")));
      await assert.rejects(session(moved), inputError(/classes was ant, bee, cat and is bee, cat, dog/));
    });

    test("a picture replaced by another, a picture more, a picture fewer", async () => {
      const replaced = changed("replaced", (folder) =>
        fs.copyFileSync(join(folder, "ant/5.jpg"), join(folder, "ant/9.jpg")),
      );
      fs.rmSync(join(replaced.data, "ant/5.jpg"));
      await assert.rejects(session(replaced), inputError(/images of class "ant" was \d and is \d others/));
      const more = changed("more", (folder) => fs.copyFileSync(join(folder, "bee/5.jpg"), join(folder, "bee/9.jpg")));
      await assert.rejects(session(more), inputError(/images of class "bee" was \d and is \d/));
      const fewer = changed("fewer", (folder) => fs.rmSync(join(folder, "cat/0.jpg")));
      await assert.rejects(session(fewer), inputError(/images of class "cat" was \d and is \d/));
      await session({ ...fewer, allowChanges: true });
    });

    test("a picture of the same name with other bytes", async () => {
      const other = changed("overwritten", (folder) => fs.appendFileSync(join(folder, "bee/1.jpg"), "more"));
      await assert.rejects(session(other), inputError(/images of class "bee" was \d and is \d others/));
    });
  });
});
