/** How long a thread that was told to stop is waited for. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { HeldError } from "../../src/base/errors.js";
import { type Doing, streamFromThread } from "../../src/base/thread-stream.js";
import { repositoryRoot } from "../support/oracle.js";
import { scratchFolder } from "../support/tiny-training.js";

const at = scratchFolder("thread-stream");

/** What a thread does after it was told to stop, without looking: what it says that it is at, and how many seconds that takes. */
type Phases = readonly (readonly [doing: Doing, takes: number])[];

/** @returns what the thread came to before it was given up */
async function stopped(phases: Phases): Promise<{ readonly done: readonly unknown[]; readonly error?: unknown }> {
  const module = at("thread.mjs");
  const served = pathToFileURL(join(repositoryRoot, "dist/src/base/thread-stream.js")).href;
  writeFileSync(
    module,
    `import { setTimeout as delay } from "node:timers/promises";
    import { serveStream } from ${JSON.stringify(served)};
    serveStream(async function* (phases, { shouldStop, doing }) {
      yield "begun";
      while (!shouldStop()) await delay(10);
      for (const [what, takes] of phases) {
        doing(what);
        await delay(1000 * takes);
        yield what.what;
      }
    });`,
  );
  const stop = new AbortController();
  const begins: Doing = { what: "the beginning", seconds: 60, isAwaited: true };
  const done: unknown[] = [];
  try {
    for await (const value of streamFromThread(pathToFileURL(module), phases, { signal: stop.signal, begins })) {
      done.push(value);
      stop.abort();
    }
    return { done };
  } catch (error) {
    return { done, error };
  }
}

const quick = (what: string): Doing => ({ what, seconds: 2 });

test("what is not awaited has its seconds together, not each anew", { timeout: 120_000 }, async () => {
  const phases = ["opening", "building", "measuring", "closing"].map((what) => [quick(what), 1.2] as const);
  const { done, error } = await stopped(phases);
  assert.ok(error instanceof HeldError, `it was waited for to the end: ${done.join(", ")}`);
  assert.match(error.message, /(opening|building|measuring) for \d+ s/);
});

test("what is awaited takes nothing of that time", { timeout: 120_000 }, async () => {
  const saving: Doing = { what: "saving", seconds: 60, isAwaited: true };
  const { done, error } = await stopped([
    [quick("training"), 0.1],
    [saving, 2.5],
    [quick("ending"), 0.1],
  ]);
  assert.deepEqual({ done, error }, { done: ["begun", "training", "saving", "ending"], error: undefined });
});
