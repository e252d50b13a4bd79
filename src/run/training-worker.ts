/** The thread a run trains in: its steps block it for seconds, so that the thread that asked stays free. */
import { runSession, type SessionOptions } from "./session.js";
import { serveStream } from "../base/thread-stream.js";

await serveStream((task: SessionOptions, { shouldStop, doing }) => runSession(task, shouldStop, doing));
