import { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { importedText } from "../output/imported-text.js";
import { type ModelOptionValues, modelOption } from "../options/model-option.js";

interface ImportCommandOptions {
  model?: string;
  key?: string;
  out: string;
  option?: ModelOptionValues;
  classes?: string;
  numClasses?: number;
  mean?: number[];
  std?: number[];
  cropPct?: number;
  interpolation?: string;
  inputSize?: number;
  license?: string;
}

/** `knack import`: a file of weights that another program wrote becomes a checkpoint's folder. */
export function importCommand(): Command {
  return new Command("import")
    .description("make a checkpoint of a file of weights: safetensors or a PyTorch state dict (.pth, .pt, .th, .bin)")
    .argument("<file>", "weights under torchvision's or timm's names")
    .option(
      "--model <name>",
      "the network they are for, such as resnet50d; `knack models` lists all (default: the one that the file fits)",
    )
    .requiredOption("--out <folder>", "the checkpoint's folder: a new or an empty one")
    .option("--option <key=value>", "an option of the model, such as pad_type=same; may be repeated", modelOption)
    .option("--key <name>", "which state dict of the file, where it holds several, such as state_dict_ema")
    .option("--classes <file>", "names of the classes: one a line, index and name a line (.tsv, .csv), or a JSON array")
    .option(
      "--num-classes <count>",
      "classes (default: the file's); another number re-initialises the classifier",
      count("--num-classes"),
    )
    .option(
      "--mean <values>",
      "mean of each channel on the scale 0..1 (default: what is customary for the model)",
      numbers("--mean"),
    )
    .option(
      "--std <values>",
      "standard deviation of each channel on the scale 0..1 (default: as for --mean)",
      numbers("--std"),
    )
    .option(
      "--crop-pct <share>",
      "share of a resized picture that the centre crop keeps (default: 0.875; 1 for small images)",
      number("--crop-pct"),
    )
    .option("--interpolation <kind>", "how pictures are resized: bilinear or bicubic (default: bilinear)")
    .option("--input-size <pixels>", "height and width of the input (default: the model's)", count("--input-size"))
    .option("--license <name>", "the weights' licence, such as apache-2.0")
    .action(async (file: string, { out, option, classes, ...options }: ImportCommandOptions) => {
      // Only here, so that the other commands start sooner.
      const { importWeights } = await import("../../weights/import-weights.js");
      const { readClassNames } = await import("../../weights/class-names.js");
      const imported = importWeights(file, out, {
        ...options,
        ...(option === undefined ? {} : { modelOptions: option }),
        ...(classes === undefined ? {} : { classNames: readClassNames(classes) }),
      });
      console.log(importedText(file, out, imported));
    });
}

function number(option: string) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value)) return value;
    throw new InputError(`${option}: must be a number, not ${JSON.stringify(text)}`);
  };
}

function count(option: string) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw new InputError(`${option}: must be a whole number above 0, not ${JSON.stringify(text)}`);
  };
}

function numbers(option: string) {
  return (text: string): number[] => text.split(",").map(number(option));
}
