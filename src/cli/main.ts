import { Command, CommanderError } from "commander";
import { KnackError } from "../base/errors.js";
import { lackIn } from "../base/lack.js";
import { settleLibraries } from "../native/torch/library-settings.js";
import { VERSION } from "../base/version.js";
import { ablateCommand } from "./commands/ablate.js";
import { benchCommand } from "./commands/bench.js";
import { calibrateCommand } from "./commands/calibrate.js";
import { dataCommand } from "./commands/data.js";
import { doctorCommand } from "./commands/doctor.js";
import { evalCommand } from "./commands/eval.js";
import { explainCommand } from "./commands/explain.js";
import { exportCommand } from "./commands/export.js";
import { importCommand } from "./commands/import.js";
import { launchCommand } from "./commands/launch.js";
import { modelsCommand } from "./commands/models.js";
import { predictCommand } from "./commands/predict.js";
import { pullCommand } from "./commands/pull.js";
import { quantizeCommand } from "./commands/quantize.js";
import { reportCommand } from "./commands/report.js";
import { scheduleCommand } from "./commands/schedule.js";
import { suspectsCommand } from "./commands/suspects.js";
import { trainCommand } from "./commands/train.js";
import { dressTerminals } from "./output/on-terminals.js";
import { endWithOutput } from "./output/standard-output.js";

/** Runs the command line. Sets the process's exit code: 0 done, 1 the run failed, 2 the command line or the input is wrong. */
export async function main(argv: readonly string[]): Promise<void> {
  settleLibraries((line) => console.error(`knack: warning: ${line}`));
  endWithOutput();
  dressTerminals();
  const program = new Command("knack")
    .description("Train image classifiers from TypeScript, with the whole bag of tricks")
    .version(VERSION);
  const commands = [
    trainCommand(),
    evalCommand(),
    reportCommand(),
    suspectsCommand(),
    predictCommand(),
    calibrateCommand(),
    explainCommand(),
    ablateCommand(),
    launchCommand(),
    benchCommand(),
    dataCommand(),
    modelsCommand(),
    importCommand(),
    pullCommand(),
    exportCommand(),
    quantizeCommand(),
    scheduleCommand(),
    doctorCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap((command) => command.commands)]) {
    command.exitOverride().configureOutput({ outputError: () => {} });
  }
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Prints one line about what went wrong; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    // Without a command the help was printed.
    if (error.code !== "commander.help")
      console.error(error.message.replace(/^error: /, "knack: ").replaceAll("\n", " "));
    return 2;
  }
  if ((error as NodeJS.ErrnoException | undefined)?.code === "EPIPE") return 0;
  const message = lackIn(error)?.message ?? (error instanceof Error ? error.message : String(error));
  console.error(`knack: ${message.split("\n", 1)[0]}`);
  return error instanceof KnackError ? error.exitCode : 1;
}
