/** The thread recipes are rehearsed in, so that the engine's memory goes with it. */
import { type RehearsalOptions, rehearseHere } from "./rehearsal.js";
import { serveStream } from "../../base/thread-stream.js";

await serveStream((task: RehearsalOptions, { shouldStop }) => rehearseHere(task, shouldStop));
