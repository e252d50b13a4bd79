import { Command } from "commander";
import { usableProcessors } from "../../base/limits.js";
import { InputError } from "../../base/errors.js";
import type { QuantizeReport } from "../../onnx/quantize/quantize-checkpoint.js";
import { addListOptions, type DataOptions, type ListCommandOptions, listOptionsFrom } from "../options/data-options.js";
import { shareOf } from "../options/share.js";

interface QuantizeCommandOptions extends Pick<DataOptions, "holdOut">, ListCommandOptions {
  readonly data: string;
  readonly out: string;
  readonly maxDrop?: string;
  readonly reduceRange?: boolean;
  readonly ignoreUnknownClasses?: boolean;
  readonly maxBadImages?: string;
}

/** `knack quantize`: a checkpoint in 8-bit integers, as an ONNX file. */
export function quantizeCommand(): Command {
  const command = new Command("quantize")
    .description("write a checkpoint as an ONNX file that runtimes compute in 8-bit integers (int8)")
    .argument("<checkpoint>", "a checkpoint's folder, or a run's (its best checkpoint), or a .safetensors file")
    .requiredOption(
      "--data <data>",
      "its training images tell which numbers occur, its validation images what is lost: as of `knack train`",
    )
    .requiredOption("--out <file>", "the file to write, MODEL.onnx")
    .option(
      "--max-drop <points>",
      "points of top-1 (of several labels: mAP) that may be lost: layers stay in float until they are not (default: 0.5)",
    )
    .option("--reduce-range", "weights of 7 bits: for x86 processors without VNNI, where those of 8 bits can overflow")
    .option("--hold-out <file>", "CIFAR: this training file's images are the validation images")
    .option("--ignore-unknown-classes", "leave out images of classes that the checkpoint does not know")
    .option("--max-bad-images <share>", "photographs that may be unreadable, such as 10% (default: 5%)");
  return addListOptions(command).action(quantize);
}

async function quantize(checkpoint: string, options: QuantizeCommandOptions): Promise<void> {
  const { data, out, maxDrop, reduceRange, ignoreUnknownClasses = false, maxBadImages, holdOut, ...list } = options;
  const points = maxDrop === undefined ? undefined : pointsOf(maxDrop);
  // Only here, so that the other commands start sooner.
  const { evaluationData } = await import("../../run/evaluation-data.js");
  const { quantizeCheckpoint } = await import("../../onnx/quantize/quantize-checkpoint.js");
  const { source } = evaluationData(checkpoint, data, { holdOut, ...listOptionsFrom(list) });
  const report = await quantizeCheckpoint(checkpoint, source, out, {
    maxDrop: points,
    reduceRange,
    ignoreUnknownClasses,
    maxBadImages: shareOf(maxBadImages),
    workers: usableProcessors(),
    progress: (line) => console.error(`knack: ${line}`),
  });
  for (const line of remarks(report, source.validation.count)) console.error(`knack: ${line}`);
  console.log(describe(report));
}

/** What a person should know beside the figures. */
function remarks({ seen, validation, calibratedOnValidation, insteadOf }: QuantizeReport, all: number): string[] {
  const lines = insteadOf === undefined ? [] : [`warning: ${insteadOf}`];
  const bad = new Map([...seen.badPictures, ...validation.badPictures]);
  lines.push(...Array.from(bad.values(), (reason) => `left out: ${reason}`));
  const { absent, ignored, count } = validation;
  if (absent.length > 0) lines.push(`the data have no validation images of ${absent.length} of its classes`);
  if (ignored > 0) lines.push(`${ignored} images left out, of classes that it does not know`);
  if (count + ignored + validation.badPictures.size < all)
    lines.push(`of ${all} validation images ${count} were drawn, which fit into memory`);
  if (calibratedOnValidation)
    lines.push("the data have no training images: the ranges were found on validation images");
  return lines;
}

function describe(report: QuantizeReport): string {
  const { file, architecture, bytes, floatBytes, method, layers, inFloat, seen, validation } = report;
  const { floatScore, measure, quality, speeds, metadata } = report;
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const points = 100 * (quality.score - floatScore);
  const some = inFloat.length > 0 ? `; in float: ${inFloat.join(", ")}` : "";
  return [
    `${file}: ${architecture}, int8, ${megabytes(bytes)} MB (float ${megabytes(floatBytes)} MB)`,
    `in int8: ${layers - inFloat.length} of ${layers} layers${some}`,
    `ranges: ${method}, on ${seen.count} images`,
    `${measure} on ${validation.count} validation images: ${percent(quality.score)} (float ${percent(floatScore)}, ${points < 0 ? "" : "+"}${points.toFixed(2)} points), ` +
      `${measure === "top-1" ? "the same class first for" : "the same answer to each class for"} ${percent(quality.agreement)}`,
    ...speeds.map(({ batch, float, integers, fast }) => {
      const times = (integers / float).toFixed(2);
      const byKnack = fast === undefined ? "not by its fast engine" : `${rate(fast)} by its fast engine`;
      return (
        `images/s, ${batch === 1 ? "one" : batch} at a time: ONNX Runtime ${rate(integers)} (float ${rate(float)}, ${times} x), ` +
        `knack ${byKnack}`
      );
    }),
    `metadata: ${Object.keys(metadata).join(", ")}`,
  ].join("\n");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function rate(imagesPerSecond: number): string {
  return imagesPerSecond.toFixed(imagesPerSecond < 100 ? 1 : 0);
}

function pointsOf(text: string): number {
  if (/^\d*\.?\d+$/.test(text.trim())) return Number(text);
  throw new InputError(`--max-drop: must be points of top-1, such as 0.5, not "${text}"`);
}
