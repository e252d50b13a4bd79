import { Command, Option } from "commander";
import { usableProcessors } from "../../base/limits.js";
import { InputError } from "../../base/errors.js";
import { type KeptCalibration, REJECTION_SCORES, type RejectionScore } from "../../weights/calibration.js";
import { type Device, deviceOption } from "../options/compute-options.js";
import { addListOptions, type ListCommandOptions, listOptionsFrom } from "../options/data-options.js";
import { share } from "../options/share.js";

interface CalibrateCommandOptions extends ListCommandOptions {
  readonly rejectPrecision?: string;
  readonly rejectBy: RejectionScore;
  readonly device: Device;
  readonly json?: boolean;
}

/** `knack calibrate`: a checkpoint that is as sure as it is right, and says what it does not know. */
export function calibrateCommand(): Command {
  const command = new Command("calibrate")
    .description("make a checkpoint as sure as it is right, and find below what it is to say that it does not know")
    .argument("<checkpoint>", "a run's folder (its best checkpoint), or a checkpoint's")
    .argument("[data]", "what to measure on, as for knack eval (default: the validation images of the run)")
    .option(
      "--reject-precision <share>",
      "how many of the pictures that predict --reject keeps are to be right, such as 0.95 (default: half of the mistakes go)",
    )
    .addOption(
      new Option("--reject-by <score>", "softmax, the highest probability, or energy, the sum of all classes' evidence")
        .choices(REJECTION_SCORES)
        .default("softmax"),
    )
    .addOption(deviceOption())
    .option("--json", "print what calibration.json has");
  return addListOptions(command).action(
    async (checkpoint: string, data: string | undefined, options: CalibrateCommandOptions) => {
      const { rejectPrecision, rejectBy, device, json, ...list } = options;
      const wanted = precisionFrom(rejectPrecision);
      // Only here, so that the other commands start sooner.
      const { calibrateCheckpoint } = await import("../../run/calibrate-checkpoint.js");
      const { evaluationData } = await import("../../run/evaluation-data.js");
      const { source } = evaluationData(checkpoint, data, listOptionsFrom(list));
      const {
        insteadOf,
        folder: _,
        ...kept
      } = await calibrateCheckpoint(checkpoint, source.validation, {
        ...{ device, workers: usableProcessors() },
        ...{ rejectPrecision: wanted, rejectBy },
      });
      if (insteadOf !== undefined) console.error(`knack: warning: ${insteadOf}`);
      console.log(json ? JSON.stringify(kept) : describe(kept));
    },
  );
}

function precisionFrom(text: string | undefined): number | undefined {
  const wanted = text === undefined ? undefined : share(text);
  if (wanted === undefined || (typeof wanted === "number" && wanted > 0 && wanted <= 1)) return wanted;
  throw new InputError(`--reject-precision: must be a share above 0, such as 0.95 or 95%, not "${text}"`);
}

function describe({ temperature, data, images, nll, ece, rejection }: KeptCalibration): string {
  const percent = (fraction: number) => `${(100 * fraction).toFixed(2)} %`;
  const lean = temperature > 1 ? "it was too sure" : "it was less sure than it might be";
  return [
    `temperature ${temperature.toFixed(4)}: ${lean}; fitted on ${images.toLocaleString("en")} images of ${data}`,
    `loss ${nll.before.toFixed(4)} -> ${nll.after.toFixed(4)} nats | ECE ${percent(ece.before)} -> ${percent(ece.after)}`,
    `unknown below ${rejection.threshold.toFixed(4)} of the ${rejection.score} score: of these images ${percent(rejection.kept)} are kept, ${percent(rejection.precision)} of those right`,
    "kept beside its weights: predict, eval, report and export use it",
  ].join("\n");
}
