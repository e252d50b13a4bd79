import { usableProcessors } from "./base/limits.js";
import type { TrainEvent } from "./run/events.js";
import { streamFromThread } from "./base/thread-stream.js";
import { type ResumeOptions, type TrainOptions, train } from "./run/train.js";
import type { ReportTask } from "./report/report-worker.js";
import type { MeasuredBest, WrittenReport } from "./report/write-report.js";

/** What became of the report at the end of a run. */
export type ReportOutcome =
  | { readonly file: string; readonly best: MeasuredBest | undefined }
  | { readonly problem: string };

/**
 * Trains a model, in a thread of its own, as a stream of events: first "audit", then "step", "epoch" and "checkpoint", last
 * "done" or, where it was stopped, "interrupted". Leaving the loop early (`break`) stops the run cleanly at a checkpoint too.
 *
 * When "done" comes, the report of the run, `report.html`, lies in its folder. A report that cannot be written does not fail the run.
 *
 * @param tell what is told about the report; default: a warning of the process (`process.emitWarning`) where there is none
 * @throws InputError where options, recipe, data or teacher are wrong; KnackError where the run fails, of them DivergedError where
 *   its loss is no longer finite.
 * @example
 * for await (const event of train({ data: "fashion-mnist", recipe: "baseline" })) {
 *   if (event.type === "epoch") console.log(event.epoch, event.top1);
 * }
 */
export async function* trainWithReport(
  options: TrainOptions | ResumeOptions,
  tell: (outcome: ReportOutcome) => void = warn,
): AsyncGenerator<TrainEvent, void, undefined> {
  for await (const event of train(options)) {
    if (event.type === "done") tell(await report(event.run, options));
    yield event;
  }
}

/** Nothing is lost by it: it may be ended at once. */
const begins = { what: "the report", seconds: 0 };

async function report(run: string, options: TrainOptions | ResumeOptions): Promise<ReportOutcome> {
  const { device = "cpu", workers = usableProcessors(), data, signal } = options;
  const stopped = { problem: `it was stopped; write it with: knack report ${run}` };
  if (signal?.aborted) return stopped;
  const task: ReportTask = { run, device, workers, data: typeof data === "string" ? undefined : data };
  const module = new URL("./report/report-worker.js", import.meta.url);
  try {
    for await (const { file, best } of streamFromThread<WrittenReport>(module, task, { signal, begins }))
      return { file, best };
    return { problem: "its thread ended early" };
  } catch (error) {
    if (signal?.aborted) return stopped;
    const [problem = ""] = (error instanceof Error ? error.message : String(error)).split("\n", 1);
    return { problem };
  }
}

function warn(outcome: ReportOutcome): void {
  if ("problem" in outcome) process.emitWarning(problemText(outcome));
}

/** One line about a report that is not there. */
export function problemText({ problem }: { problem: string }): string {
  return `no report of the run could be written: ${problem}`;
}
