import { Command } from "commander";
import { usableProcessors } from "../../base/limits.js";
import { type ClassFigures, classFiguresOf } from "../../metrics/class-figures.js";
import { metricsFor } from "../../metrics/index.js";
import { macroF1 } from "../../metrics/macro-f1.js";
import { type MetricFacts, valueText } from "../../metrics/metric.js";
import { printable } from "../../base/printable.js";
import { unreadText } from "../../data/photos/other-files.js";
import { isSplitName } from "../../data/sources/photos/split-names.js";
import type { AnySource } from "../../data/sources/source.js";
import { shareOf } from "../options/share.js";
import { addListOptions, type DataOptions, type ListCommandOptions, listOptionsFrom } from "../options/data-options.js";
import { calibratedText } from "../output/calibrated-text.js";
import { fieldsOf } from "../../run/metric-fields.js";
import type { EvaluationPrecision } from "../../training/evaluation-precision.js";
import type { Tta } from "../../settings/test-time.js";
import { type Device, deviceOption, evaluationPrecisionOption, ttaOption } from "../options/compute-options.js";

const LINE = 80;
const SHOWN_CLASSES = 3;

interface EvalOptions extends Pick<DataOptions, "holdOut">, ListCommandOptions {
  readonly all?: boolean;
  readonly json?: boolean;
  readonly ignoreUnknownClasses?: boolean;
  readonly maxBadImages?: string;
  readonly device: Device;
  readonly precision: EvaluationPrecision;
  readonly tta?: Tta;
}

/** `knack eval`: the metrics of a checkpoint on a data set's validation images. */
export function evalCommand(): Command {
  const command = new Command("eval")
    .description("measure a checkpoint on the validation images of a data set")
    .argument("<checkpoint>", "a checkpoint's folder, or a run's (its best checkpoint)")
    .argument(
      "[data]",
      "fashion-mnist, or a folder of photographs (CLASS/*.jpg), IDX files (MNIST) or CIFAR binary files (default: the run's own)",
    )
    .addOption(deviceOption())
    .addOption(evaluationPrecisionOption())
    .addOption(ttaOption())
    .option("--hold-out <file>", "CIFAR: this training file's images, not those of the test files")
    .option("--all", "all its images, not only the validation images")
    .option("--ignore-unknown-classes", "leave out images of classes that the checkpoint does not know")
    .option("--max-bad-images <share>", "photographs that may be unreadable, such as 10% (default: 5%)")
    .option(
      "--json",
      'print {"top1":…,"top5":…,"loss":…,"images":…,"metrics":{"macro-f1":…},"classes":[…]}, fractions of 1',
    );
  return addListOptions(command).action(async (checkpoint: string, data: string | undefined, options: EvalOptions) => {
    const {
      holdOut,
      all = false,
      json,
      device,
      precision,
      tta,
      ignoreUnknownClasses = false,
      maxBadImages,
      ...list
    } = options;
    // Only here, so that the other commands start sooner.
    const { taskOf } = await import("../../tasks/index.js");
    const { evaluateCheckpoint } = await import("../../run/evaluate-checkpoint.js");
    const { evaluationData } = await import("../../run/evaluation-data.js");
    const { source, ofRun } = evaluationData(checkpoint, data, { holdOut, ...listOptionsFrom(list) });
    const place = {
      device,
      precision,
      tta,
      workers: usableProcessors(),
      ignoreUnknownClasses,
      maxBadImages: shareOf(maxBadImages),
    };
    const { badPictures, images, metrics, classes, outcomes, absent, ignored, byNumber, insteadOf, calibration } =
      await evaluateCheckpoint(checkpoint, all ? [source.train, source.validation] : [source.validation], place);
    if (insteadOf !== undefined) console.error(`knack: warning: ${insteadOf}`);
    for (const reason of badPictures.values()) console.error(`knack: left out: ${reason}`);
    for (const line of remarks(source, { ofRun, all, absent, ignored, byNumber })) console.error(`knack: ${line}`);
    if (calibration) console.error(`knack: ${calibratedText(calibration)}`);
    for (const { title, undefinedFor } of taskOf(outcomes).metrics) {
      const reason = undefinedFor?.(outcomes);
      if (reason !== undefined) console.error(`knack: ${title} is left out: ${reason}`);
    }
    const ofClasses = classFiguresOf(outcomes).map((figures, label) => ({
      class: classes[label] as string,
      ...figures,
      ...("thresholds" in outcomes && { threshold: outcomes.thresholds[label] }),
    }));
    if (json) {
      const { top1, top5, validationLoss: loss } = fieldsOf(metrics);
      const ofOne = "labelSets" in outcomes ? {} : { top1, top5 };
      const lacking = absent.length > 0 && { absent };
      console.log(JSON.stringify({ ...ofOne, loss, images, metrics, classes: ofClasses, ...lacking }));
      return;
    }
    const text = (metric: MetricFacts) => {
      const value = valueText(metric, metrics[metric.name] ?? Number.NaN);
      return `${metric.title} ${value}${metric.ofOrder ? " (ordered classes)" : ""}`;
    };
    const shown = metricsFor(outcomes);
    console.log([...shown.filter(({ brief }) => brief).map(text), `${images} images`].join(" | "));
    for (const line of inLines(shown.filter(({ brief }) => !brief).map(text))) console.log(line);
    console.log(lowestText(ofClasses));
  });
}

/** As many on a line as it has room for. */
function inLines(texts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const text of texts) {
    const longer = lines.length === 0 ? text : `${lines.at(-1)} | ${text}`;
    if (lines.length === 0 || longer.length > LINE) lines.push(text);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** The classes that are recognised worst. */
function lowestText(classes: readonly (ClassFigures & { readonly class: string })[]): string {
  const occurring = classes.filter(({ images }) => images > 0);
  const lowest = occurring.toSorted((a, b) => a.f1 - b.f1).slice(0, SHOWN_CLASSES);
  return `lowest F1: ${lowest.map((each) => `${printable(each.class, 30)} ${valueText(macroF1, each.f1)}`).join(", ")}`;
}

interface Measured {
  readonly ofRun: boolean;
  readonly all: boolean;
  readonly absent: readonly string[];
  readonly ignored: number;
  readonly byNumber: boolean;
}

/** What a person should know beside the figures. */
function remarks(source: AnySource, { ofRun, all, absent, ignored, byNumber }: Measured): string[] {
  const lines: string[] = [];
  const few = (names: readonly string[]) =>
    names
      .slice(0, 10)
      .map((name) => JSON.stringify(name))
      .join(", ") + (names.length > 10 ? ", …" : "");
  if (absent.length > 0) lines.push(`no images of ${absent.length} of its classes: ${few(absent)}`);
  if (byNumber)
    lines.push(`its classes are matched by number, not by name: ${few(source.validation.classes)}, from 0 on`);
  if (ignored > 0) lines.push(`${ignored} images left out, of classes that it does not know`);
  if (!ofRun && source.test) lines.push(`not measured: its ${source.test.count} test images; give that folder itself`);
  if (!("otherFiles" in source)) return lines;
  const { otherFiles, train, validation } = source;
  const unread = unreadText(otherFiles, train.count + validation.count);
  if (unread !== undefined) lines.push(unread);
  const splits = otherFiles.examples.filter((path) => isSplitName(path.replace(/\/$/, "")));
  if (splits.length > 0) lines.push(`not measured: ${few(splits)}; give that folder itself`);
  if (!ofRun && all && train.count > 0) lines.push("measured are its training and its validation images together");
  return lines;
}
