/** The thread that a run's report is written in: evaluating blocks it for seconds, so that the thread that asked stays free. */
import { parentPort, workerData } from "node:worker_threads";
import { serveStream } from "../training/thread-stream.js";
import type { ReportTask } from "./reported-training.js";
import { writeReport } from "./write-report.js";

async function* written({ run, data, ...place }: ReportTask) {
  yield await writeReport(run, place, { data });
}

if (parentPort) await serveStream(parentPort, () => written(workerData as ReportTask));
