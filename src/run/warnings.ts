import type { TrainEvent } from "./events.js";

/** What only shows a run must not end it. */
export function* warnings(what: string, write: () => void): Generator<TrainEvent> {
  try {
    write();
  } catch (error) {
    yield { type: "warning", message: `${what}: ${error instanceof Error ? error.message : error}` };
  }
}
