import { Command } from "commander";
import { usableProcessors } from "../../base/limits.js";
import { valueText } from "../../metrics/metric.js";
import { openData } from "../../data/sources/open.js";
import { addListOptions, type DataOptions, type ListCommandOptions, listOptionsFrom } from "../options/data-options.js";
import { fieldsOf } from "../../run/metric-fields.js";
import { type Device, deviceOption } from "../options/compute-options.js";

interface EvalOptions extends Pick<DataOptions, "holdOut">, ListCommandOptions {
  readonly all?: boolean;
  readonly json?: boolean;
  readonly device: Device;
}

/** `knack eval`: the metrics of a checkpoint on a data set's validation images. */
export function evalCommand(): Command {
  const command = new Command("eval")
    .description("measure a checkpoint on the validation images of a data set")
    .argument("<checkpoint>", "a checkpoint's folder, or a run's (its best checkpoint)")
    .argument(
      "<data>",
      "fashion-mnist, or a folder of photographs (CLASS/*.jpg), IDX files (MNIST) or CIFAR binary files",
    )
    .addOption(deviceOption())
    .option("--hold-out <file>", "CIFAR: this training file's images, not those of the test files")
    .option("--all", "all its images, not only the validation images")
    .option("--json", 'print {"top1":…,"top5":…,"loss":…,"images":…}, fractions of 1');
  return addListOptions(command).action(
    async (checkpoint: string, data: string, { holdOut, all, json, device, ...list }: EvalOptions) => {
      // Only here, so that the other commands start sooner.
      const { evaluateCheckpoint } = await import("../../run/evaluate-checkpoint.js");
      const { metricsFor } = await import("../../metrics/index.js");
      const source = openData(data, { holdOut, ...listOptionsFrom(list) });
      const { badPictures, images, metrics } = await evaluateCheckpoint(
        checkpoint,
        all ? [source.train, source.validation] : [source.validation],
        { device, workers: usableProcessors() },
      );
      for (const reason of badPictures.values()) console.error(`knack: left out: ${reason}`);
      if (json) {
        const { top1, top5, validationLoss: loss } = fieldsOf(metrics);
        console.log(JSON.stringify({ top1, top5, loss, images }));
        return;
      }
      const shown = metricsFor(source.validation.classes.length).map((metric) => {
        return `${metric.title} ${valueText(metric, metrics[metric.name] ?? Number.NaN)}`;
      });
      console.log([...shown, `${images} images`].join(" | "));
    },
  );
}
