import { dirname, join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.js";
import type { AnySource } from "../data/sources/source.js";
import { InputError } from "../base/errors.js";
import { entryAt } from "../base/folders.js";
import { labelIssues } from "../metrics/confident-learning.js";
import { classFiguresOf } from "../metrics/class-figures.js";
import type { Outcomes } from "../metrics/outcomes.js";
import type { MetricValues } from "../metrics/metric.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { RunFolder } from "../run/run-folder.js";
import { type Measured, measure } from "./measure.js";
import { reportPage } from "./report-page.js";
import { readRun } from "./run-record.js";

/** What a run's checkpoint was measured to be on its validation images. */
export interface MeasuredBest {
  /** Epochs after which it was written; undefined where it does not say. */
  readonly epoch: number | undefined;
  readonly metrics: MetricValues;
  /** The class of the lowest F1, a fraction of 1. */
  readonly worst: { readonly class: string; readonly f1: number };
  /** How many validation images there are. */
  readonly images: number;
  /** Of how many of them the label is probably wrong. */
  readonly suspects?: number | undefined;
}

export interface WrittenReport {
  readonly file: string;
  /** Why the page holds only what the run's files say, where it does. */
  readonly missing: string | undefined;
  /** Undefined where that is missing. */
  readonly best: MeasuredBest | undefined;
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
  return "missing" in measurement
    ? { file: out, missing: measurement.missing, best: undefined }
    : { file: out, missing: undefined, best: bestOf(measurement) };
}

function bestOf({ set, outcomes, metrics, epoch }: Measured): MeasuredBest {
  const figures = classFiguresOf(outcomes).map(({ f1, images }, label) => ({
    class: set.classes[label] ?? "",
    f1,
    images,
  }));
  const [worst = { class: "", f1: Number.NaN }] = figures
    .filter(({ images }) => images > 0)
    .sort((a, b) => a.f1 - b.f1);
  const found = { epoch, metrics, worst: { class: worst.class, f1: worst.f1 }, images: outcomes.labels.length };
  return "labelSets" in outcomes ? found : { ...found, suspects: suspectsAmong(outcomes) };
}

/** How many labels are probably wrong; undefined where too many probabilities would have to be kept to say. */
function suspectsAmong({ labels, scores }: Outcomes): number | undefined {
  if (scores === undefined) return undefined;
  const probabilities = Array.from(labels, (_, image) => Array.from(scores.probabilitiesOf(image)));
  return labelIssues({ labels, probabilities, classes: probabilities[0]?.length ?? 0 }).length;
}

/** Found before the evaluation, which takes its time. */
function requirePlaceFor(file: string): void {
  if (entryAt(file)?.isDirectory()) throw new InputError(`${file} is a folder, not a file`);
  if (!entryAt(dirname(file))?.isDirectory()) {
    throw new InputError(`cannot write ${file}: there is no folder ${dirname(file)}`);
  }
}
