import Table from "cli-table3";
import { Command } from "commander";
import type { ModelProfile } from "../../models/profile.js";

/** `knack models`: every model that can be trained, with what it costs for one image. */
export function modelsCommand(): Command {
  return new Command("models")
    .description("list the models: parameters, multiply-adds and activations for one image")
    .option("--json", 'print [{"name":…,"parameters":…,"macs":…,"activations":…,"inputSize":…}, …]')
    .action(async ({ json }: { json?: boolean }) => {
      // Only here, so that the other commands start sooner.
      const { MODELS } = await import("../../models/registry.js");
      const { profileModel } = await import("../../models/profile.js");
      const profiles = Array.from(MODELS.keys(), (name) => profileModel(name));
      if (json) return console.log(JSON.stringify(profiles));
      const larger = [...MODELS.values()].flatMap(({ name, auxiliary }) => {
        if (!auxiliary) return [];
        const { parameters } = profileModel(name, {}, { [auxiliary.option]: true });
        return [`${name} with --option ${auxiliary.option}=true has ${short(parameters)} parameters.`];
      });
      console.log([table(profiles), ...larger].join("\n"));
    });
}

function table(profiles: readonly ModelProfile[]): string {
  const rows = new Table({
    head: ["model", "parameters", "multiply-adds", "activations", "input"],
    colAligns: ["left", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, parameters, macs, activations, inputSize } of profiles) {
    rows.push([name, short(parameters), short(macs), short(activations), `${inputSize}x${inputSize}`]);
  }
  return `${rows}\nFor one image of 3 channels and the input's size; 1000 classes, small images (32x32) 10.`;
}

function short(count: number): string {
  return count < 1e9 ? `${(count / 1e6).toFixed(2)} M` : `${(count / 1e9).toFixed(2)} G`;
}
