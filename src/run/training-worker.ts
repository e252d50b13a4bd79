/** The thread a run trains in: its steps block it for seconds, so that the thread that asked stays free. */
import { runSession } from "./session.js";
import type { SessionOptions } from "./task.js";
import { serveStream } from "../base/thread-stream.js";

await serveStream((task: SessionOptions, { shouldStop, doing }) => runSession(task, shouldStop, doing));
