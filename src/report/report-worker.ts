/** The thread that a run's report is written in: evaluating blocks it for seconds, so that the thread that asked stays free. */
import { serveStream } from "../base/thread-stream.js";
import type { AnySource } from "../data/sources/source.js";
import { writeReport } from "./write-report.js";

/** What the thread that writes a report is given. */
export interface ReportTask {
  /** The run's folder. */
  readonly run: string;
  readonly device: string;
  readonly workers: number;
  /** The run's images, where a program gave them. */
  readonly data: AnySource | undefined;
}

async function* written({ run, data, ...place }: ReportTask) {
  yield await writeReport(run, place, { data });
}

await serveStream(written);
