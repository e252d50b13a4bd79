import { Command } from "commander";
import { importedText } from "../output/imported-text.js";
import { progressBar } from "../output/progress-bar.js";
import { canRedraw } from "../output/terminal.js";

interface PullCommandOptions {
  out?: string;
  revision?: string;
  classes?: string;
}

/** `knack pull`: a timm model of the Hugging Face hub becomes a checkpoint's folder. The only command that uses the network. */
export function pullCommand(): Command {
  return new Command("pull")
    .description("fetch a timm model from the Hugging Face hub and make a checkpoint of it")
    .argument("<model>", "OWNER/MODEL, such as timm/resnet50d.gluon_in1k")
    .option("--out <folder>", "the checkpoint's folder: a new or an empty one (default: the model's name)")
    .option("--revision <revision>", "a branch, a tag or a commit (default: main)")
    .option("--classes <file>", "names of the classes, as `knack import` takes them (default: the model's own)")
    .addHelpText("after", "\nHF_ENDPOINT names another hub; HF_TOKEN opens private and gated models.")
    .action(async (model: string, { out, revision, classes }: PullCommandOptions) => {
      // Only here, so that the other commands start sooner.
      const { pullModel } = await import("../../weights/hub/pull-model.js");
      const { readClassNames } = await import("../../weights/class-names.js");
      const directory = out ?? model.split("/").at(-1) ?? model;
      const bar = canRedraw(process.stderr) ? new DownloadBar() : undefined;
      try {
        const pulled = await pullModel(model, directory, {
          ...(revision === undefined ? {} : { revision }),
          ...(classes === undefined ? {} : { classNames: readClassNames(classes) }),
          onProgress: (file, received, total) => bar?.show(file, received, total),
        });
        bar?.close();
        console.log(importedText(model, directory, pulled));
      } finally {
        bar?.close();
      }
    });
}

/** One bar on the terminal, for the file that comes now. */
class DownloadBar {
  readonly #bar = progressBar("{file} |{bar}| {percentage} % of {size} MB", process.stderr);
  #file: string | undefined;

  show(file: string, received: number, total: number): void {
    if (file !== this.#file) {
      this.#bar.start(total, received, { file, size: (total / 1e6).toFixed(1) });
      this.#file = file;
    }
    this.#bar.update(received);
  }

  close(): void {
    this.#bar.stop();
  }
}
