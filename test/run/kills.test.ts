/**
 * A run that is killed at random moments, and goes on each time, ends with the bytes of one that never was. Twice by default;
 * `npm run test:kills` does it 25 times.
 */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { randomFor } from "../../src/tensor/random.js";
import { startKnack } from "../support/command.js";
import { left, scratchFolder } from "../support/tiny-training.js";
import { writeTinyData } from "../support/tiny-data.js";

const KILLS = Number(process.env.KNACK_KILLS ?? 2);
/** So many that a run is not through before it was killed so often. */
const EPOCHS = 4 + KILLS;
const SIGNALS = ["SIGKILL", "SIGKILL", "SIGTERM"] as const;

const at = scratchFolder("kills");
const TINY =
  "--model resnet18_small --option width=4 --batch-size 16 --precision bf16 --mixup 0.2 --ema 0.9 --engine plain";
const train = ["train", at("data"), ...TINY.split(" "), "--epochs", `${EPOCHS}`, "--seed", "5", "--json"];

test(`killed ${KILLS} times, and resumed with other numbers of threads`, async () => {
  writeTinyData(at("data"), { train: 16 * 24, validation: 500 });
  const undisturbed = await startKnack([...train, "--out", at("undisturbed")]).ended;
  assert.equal(undisturbed.code, 0, undisturbed.stderr);

  const out = at("killed");
  const random = randomFor(Number(process.env.KNACK_SEED ?? 1), "kills");
  for (let kill = 0; kill < KILLS; kill++) {
    // Before its first checkpoint a run has nothing to go on from, and is started again.
    const begun = existsSync(join(out, "checkpoints/last"));
    if (!begun) rmSync(out, { recursive: true, force: true });
    const how = ["--checkpoint-every", "3", "--workers", `${kill % 3}`];
    const { child, ended, says } = startKnack(
      begun ? ["train", "--resume", out, "--json", ...how] : [...train, "--out", out, ...how],
    );
    await says(/"type":"step"/);
    // What follows is training, checkpoints and validations by turns.
    await delay(random.uniform() * 600);
    child.kill(SIGNALS[kill % SIGNALS.length]);
    const { stderr } = await ended;
    assert.equal(stderr, "");
  }
  const rest = await startKnack(["train", "--resume", out, "--json"]).ended;
  assert.equal(rest.code, 0, rest.stderr);
  assert.match(rest.stdout, /"type":"step"/, "it was through before it was killed so often");
  assert.deepEqual(left(out), left(at("undisturbed")));
});
