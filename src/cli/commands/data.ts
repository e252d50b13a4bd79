import { Command } from "commander";
import { dataCheckCommand } from "./data-check.js";
import { dataPreviewCommand } from "./data-preview.js";

/** `knack data`: looks at a data set before it is trained on. */
export function dataCommand(): Command {
  return new Command("data")
    .description("look at a data set before training on it")
    .addCommand(dataCheckCommand())
    .addCommand(dataPreviewCommand());
}
