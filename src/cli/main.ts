import { Command, CommanderError } from "commander";
import { systemReason } from "../atomic-file.js";
import { KnackError } from "../errors.js";
import { settleLibraries } from "../native/library-settings.js";
import { VERSION } from "../version.js";
import { ablateCommand } from "./ablate.js";
import { benchCommand } from "./bench.js";
import { dataCommand } from "./data.js";
import { doctorCommand } from "./doctor.js";
import { evalCommand } from "./eval.js";
import { exportCommand } from "./export.js";
import { importCommand } from "./import.js";
import { modelsCommand } from "./models.js";
import { predictCommand } from "./predict.js";
import { pullCommand } from "./pull.js";
import { reportCommand } from "./report.js";
import { scheduleCommand } from "./schedule.js";
import { trainCommand } from "./train.js";

/** Runs the command line. Sets the process's exit code: 0 done, 1 the run failed, 2 the command line or the input is wrong. */
export async function main(argv: readonly string[]): Promise<void> {
  settleLibraries();
  // `knack schedule … | head` closes the pipe early: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    console.error(`knack: cannot write the output: ${systemReason(error)}`);
    process.exit(1);
  });
  const program = new Command("knack")
    .description("Train image classifiers from TypeScript, with the whole bag of tricks")
    .version(VERSION);
  const commands = [
    trainCommand(),
    evalCommand(),
    reportCommand(),
    predictCommand(),
    ablateCommand(),
    benchCommand(),
    dataCommand(),
    modelsCommand(),
    importCommand(),
    pullCommand(),
    exportCommand(),
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
  const message = error instanceof Error ? error.message : String(error);
  console.error(`knack: ${message.split("\n", 1)[0]}`);
  return error instanceof KnackError ? error.exitCode : 1;
}
