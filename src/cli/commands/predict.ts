import { once } from "node:events";
import { Command, Option } from "commander";
import { stringify } from "csv-stringify/sync";
import { InputError, KnackError } from "../../base/errors.js";
import { type OtherFiles, unreadText } from "../../data/photos/other-files.js";
import type { Classifier, Prediction } from "../../inference/classifier.js";
import { calibratedText } from "../output/calibrated-text.js";
import type { EvaluationPrecision } from "../../training/evaluation-precision.js";
import type { Tta } from "../../settings/test-time.js";
import { type Device, deviceOption, evaluationPrecisionOption, ttaOption } from "../options/compute-options.js";

interface PredictOptions {
  readonly top?: number;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly reject?: boolean;
  readonly device: Device;
  readonly precision: EvaluationPrecision;
  readonly tta?: Tta;
}

/** `knack predict`: the likeliest classes of pictures. */
export function predictCommand(): Command {
  return new Command("predict")
    .description("classify pictures with a checkpoint or an ONNX file, or with several together")
    .argument("<model>", "a checkpoint's folder, a run's (its best checkpoint), a .safetensors or an .onnx file")
    .argument(
      "<images...>",
      "further models of the same classes, whose probabilities are averaged; then picture files, - for standard input, folders (with all below) or patterns such as 'photos/*.jpg'",
    )
    .option(
      "--top <k>",
      "how many classes to show, the likeliest first (default: 5; of a network for several labels those above their thresholds)",
      parseTop,
    )
    .addOption(deviceOption())
    .addOption(evaluationPrecisionOption())
    .addOption(ttaOption())
    .addOption(
      new Option(
        "--json",
        'print [{"image":…,"predictions":[{"class":…,"index":…,"probability":…}]}], without pictures that cannot be read',
      ).conflicts("csv"),
    )
    .option("--csv", "print a table image,rank,class,index,probability; with --reject also unknown, true or false")
    .option("--reject", "say which pictures are of nothing it knows; knack calibrate finds from when on")
    .action(predict);
}

async function predict(
  model: string,
  given: string[],
  { top, json, csv, reject = false, device, precision, tta }: PredictOptions,
): Promise<void> {
  // Only here, so that the other commands, `knack doctor` above all, start without the libraries for pictures.
  const { pictureFiles } = await import("../options/picture-files.js");
  const { loadClassifier } = await import("../../inference/classifier.js");
  const { classifyTogether } = await import("../../inference/ensemble.js");
  const { modelsBefore } = await import("../options/models-before.js");
  const { models, pictures } = modelsBefore(given);
  const load = (path: string) => loadClassifier(path, { device, precision });
  const classifiers: [Classifier, ...Classifier[]] = [load(model), ...models.map(load)];
  try {
    for (const classifier of classifiers) {
      if (classifier.insteadOf !== undefined) console.error(`knack: warning: ${classifier.insteadOf}`);
      const { calibration } = classifier;
      if (calibration) console.error(`knack: ${calibratedText(calibration)}`);
      if (reject && calibration === undefined) {
        throw new InputError(
          `--reject: from when on ${classifier.path} knows nothing is not known: knack calibrate, or export what was calibrated`,
        );
      }
    }
    if (reject && models.length > 0) throw new InputError("--reject: a threshold is one model's: give one model");
    const others: OtherFiles = { count: 0, examples: [] };
    const images = pictureFiles(pictures, others);
    const unread = unreadText(others, images.length);
    if (unread !== undefined) console.error(`knack: ${unread}`);
    const { begin, between, end, entry } = json ? JSON_FORM : csv ? CSV_FORM : TEXT_FORM;
    let [printed, unreadable, rejected] = [0, 0, 0];
    const asked = { ...(top !== undefined && { top }), tta };
    for await (const { image, predictions, unknown, error } of classifyTogether(classifiers, images, asked)) {
      if (error) {
        unreadable++;
        console.error(`knack: ${error.message}`);
      } else {
        if (reject && unknown) rejected++;
        await print(
          (printed++ === 0 ? begin(reject) : between) + entry(image, predictions, reject ? unknown : undefined),
        );
      }
    }
    await print((printed === 0 ? begin(reject) : "") + end);
    if (reject) console.error(`knack: ${rejected} of ${printed} pictures are unknown`);
    if (unreadable > 0) throw new KnackError(`${unreadable} of ${images.length} pictures could not be read`);
  } finally {
    for (const classifier of classifiers) classifier.dispose();
  }
}

/** How results are printed: one after the other, so that they do not pile up. */
interface Form {
  readonly begin: (reject: boolean) => string;
  readonly between: string;
  readonly end: string;
  /** @param unknown whether it is of nothing that the model knows; undefined where nobody asked */
  readonly entry: (image: string, predictions: readonly Prediction[], unknown: boolean | undefined) => string;
}

const JSON_FORM: Form = {
  begin: () => "[",
  between: ",\n",
  end: "]\n",
  entry: (image, predictions, unknown) => JSON.stringify({ image, unknown, predictions }),
};

const CSV_FORM: Form = {
  begin: (reject) => `image,rank,class,index,probability${reject ? ",unknown" : ""}\n`,
  between: "",
  end: "",
  entry: (image, predictions, unknown) => {
    const answer = unknown === undefined ? [] : [String(unknown)];
    return stringify(predictions.map((one, i) => [image, i + 1, one.class, one.index, one.probability, ...answer]));
  },
};

const TEXT_FORM: Form = {
  begin: () => "",
  between: "\n",
  end: "",
  entry: (image, predictions, unknown) => {
    const lines = predictions.map(
      (one) => `${(one.probability * 100).toFixed(2).padStart(8)} %  ${visible(one.class)}${belowText(one)}\n`,
    );
    const shown = lines.length > 0 ? lines.join("") : "          none of its classes\n";
    return `${visible(image)}${unknown ? ": unknown, but nearest to" : ""}\n${shown}`;
  },
};

/** Of a class among several that a picture is not taken for, and is shown because so many were asked for. */
function belowText({ probability, threshold = 0 }: Prediction): string {
  return probability < threshold ? ` (no: below ${(threshold * 100).toFixed(2)} %)` : "";
}

/** Control characters as escapes: a name must not move the cursor or break the line. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

function parseTop(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InputError(`--top: must be an integer of 1 or more, not "${text}"`);
  return Number(text);
}

async function print(text: string): Promise<void> {
  if (text !== "" && !process.stdout.write(text)) await once(process.stdout, "drain");
}
