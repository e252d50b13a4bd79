import { dirname, join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.js";
import type { AnySource } from "../data/sources/source.js";
import { InputError } from "../base/errors.js";
import { entryAt } from "../base/folders.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { RunFolder } from "../run/run-folder.js";
import { measure } from "./measure.js";
import { reportPage } from "./report-page.js";
import { readRun } from "./run-record.js";

export interface WrittenReport {
  readonly file: string;
  /** Why the page holds only what the run's files say, where it does. */
  readonly missing: string | undefined;
}

export interface ReportOptions {
  /** The file; default `report.html` in the run's folder. */
  readonly out?: string | undefined;
  /** The run's images, where a program gave them; default: those that the run's folder names. */
  readonly data?: AnySource | undefined;
}

/**
 * Writes the report of a run, finished or not: one HTML file that needs nothing else. Its checkpoint is evaluated for it on the run's
 * validation images; where they are not there any more the page says so and has the rest.
 *
 * @throws InputError where there is no run, its files are broken or `out` cannot be a file; KnackError where it cannot be written.
 */
export async function writeReport(
  runFolder: string,
  place: EvaluationPlace,
  { out = join(runFolder, "report.html"), data }: ReportOptions = {},
): Promise<WrittenReport> {
  const run = RunFolder.find(runFolder);
  requirePlaceFor(out);
  const record = readRun(run);
  const measurement = await measure(run, data, place);
  writeFileAtomic(out, await reportPage(record, measurement));
  return { file: out, missing: "missing" in measurement ? measurement.missing : undefined };
}

/** Found before the evaluation, which takes its time. */
function requirePlaceFor(file: string): void {
  if (entryAt(file)?.isDirectory()) throw new InputError(`${file} is a folder, not a file`);
  if (!entryAt(dirname(file))?.isDirectory()) {
    throw new InputError(`cannot write ${file}: there is no folder ${dirname(file)}`);
  }
}
