import { settleLibraries } from "../../native/torch/library-settings.js";
import type { RehearsalOptions, Rehearsed } from "./rehearsal.js";
import { streamFromThread } from "../../base/thread-stream.js";

/**
 * Builds recipes on a data set as runs would, audit included, in a thread of its own, and trains nothing: what cannot be trained
 * is found before anything is.
 *
 * @param signal ends it early; the result is shorter then
 * @throws InputError that names the recipe which cannot be trained
 */
export function rehearse(options: RehearsalOptions, signal?: AbortSignal): AsyncGenerator<Rehearsed, void, undefined> {
  settleLibraries();
  const begins = { what: "building a row", seconds: 5 };
  return streamFromThread<Rehearsed>(new URL("./rehearsal-worker.js", import.meta.url), options, { signal, begins });
}
