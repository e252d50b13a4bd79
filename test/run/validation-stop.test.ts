/** The epoch that was trained is saved before it is validated; what only shows a run cannot end it. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runSession } from "../../src/run/session.js";
import { parseRunState } from "../../src/run/run-state.js";
import { loadResumable } from "../../src/weights/checkpoint.js";
import { four, left, ofType, STEPS_PER_EPOCH, scratchFolder, session, tiny } from "../support/tiny-training.js";
import type { TrainEvent } from "../../src/run/events.js";

const at = scratchFolder("validation-stop");
const newRun = (out: string) => ({ recipe: tiny({ epochs: 2 }), data: four, out: at(out) });

function positionOf(run: string) {
  const path = join(run, "checkpoints/last");
  return parseRunState(loadResumable(path).state, path).position;
}

test("a run that is stopped in a validation goes on with the validation, and ends with the same bits", async () => {
  await session(newRun("whole"));
  for (const epochs of [1, 2]) {
    const out = at(`stopped in ${epochs}`);
    const events = await session({ ...newRun(""), out }, epochs * STEPS_PER_EPOCH);
    assert.equal(ofType(events, "epoch").length, epochs - 1);
    const { epoch, stepInEpoch } = positionOf(out);
    assert.deepEqual({ epoch, stepInEpoch }, { epoch: epochs - 1, stepInEpoch: STEPS_PER_EPOCH });
    const rest = await session({ resume: out, data: four });
    assert.equal(ofType(rest, "step").length, (2 - epochs) * STEPS_PER_EPOCH);
    assert.deepEqual(left(out), left(at("whole")));
  }
});

test("the epoch is on the disk when its validation begins", async () => {
  const out = at("seen");
  const seen: number[] = [];
  // Asked between the batches of a validation too.
  const look = () => {
    const there = existsSync(join(out, "checkpoints/last"));
    if (there) seen.push(positionOf(out).stepInEpoch);
    return false;
  };
  for await (const event of runSession({ ...newRun("seen"), workers: 0, device: "cpu" }, look))
    if (event.type === "epoch") break;
  assert.equal(seen[0], STEPS_PER_EPOCH);
});

test("a stop writes the checkpoint of a position once", async () => {
  const out = at("once");
  const said: string[] = [];
  let stopped = false;
  const options = { ...newRun("once"), workers: 0, device: "cpu" };
  const tell = ({ what }: { what: string }) => said.push(what);
  for await (const event of runSession(options, () => stopped, tell)) stopped ||= event.type === "epoch";
  // Before the validation, the best, the last of the epoch; and nothing more at its end.
  assert.equal(said.filter((what) => what === "the writing of a checkpoint").length, 3);
  assert.equal(positionOf(out).epoch, 1);
});

test("curves that cannot be written are a warning, and the run is done", async () => {
  const events: TrainEvent[] = [];
  for await (const event of runSession({ ...newRun("curves"), workers: 0, device: "cpu" }, () => false)) {
    if (event.type === "audit") mkdirSync(at("curves/curves.svg/in the way"), { recursive: true });
    events.push(event);
  }
  assert.deepEqual(
    ofType(events, "warning").map(({ message }) => message.replace(/:.*/, "")),
    ["curves.svg cannot be drawn", "curves.svg cannot be drawn"],
  );
  assert.equal(events.at(-1)?.type, "done");
});
