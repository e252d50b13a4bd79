import { Command } from "commander";
import { usableProcessors } from "../../base/limits.js";
import { type Device, deviceOption } from "../options/compute-options.js";

interface ReportOptions {
  readonly out?: string;
  readonly device: Device;
}

/** `knack report`: one HTML file about a run. */
export function reportCommand(): Command {
  return new Command("report")
    .description("write a run's report, one HTML file: curves, confusion, calibration, mistakes, recipe")
    .argument("<run>", "the run's folder")
    .option("--out <file>", "the file (default: report.html in the run's folder)")
    .addOption(deviceOption())
    .action(async (run: string, { out, device }: ReportOptions) => {
      // Only here, so that the other commands start without the engine.
      const { writeReport } = await import("../../report/write-report.js");
      const { file, missing } = await writeReport(run, { device, workers: usableProcessors() }, { out });
      if (missing !== undefined) console.error(`knack: the report is without measurements: ${missing}`);
      console.log(`report: ${file}`);
    });
}
