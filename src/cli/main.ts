import { Command, CommanderError } from "commander";
import { KnackError } from "../errors.js";
import { chooseBlasKernels } from "../native/blas.js";
import { VERSION } from "../version.js";
import { doctorCommand } from "./doctor.js";
import { evalCommand } from "./eval.js";
import { scheduleCommand } from "./schedule.js";
import { trainCommand } from "./train.js";

/** Runs the command line. Sets the process's exit code: 0 done, 1 the run failed, 2 the command line or the input is wrong. */
export async function main(argv: readonly string[]): Promise<void> {
  chooseBlasKernels();
  // `knack schedule … | head` closes the pipe early: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  const program = new Command("knack")
    .description("Train image classifiers from TypeScript, with the whole bag of tricks")
    .version(VERSION);
  for (const command of [trainCommand(), evalCommand(), scheduleCommand(), doctorCommand()]) {
    program.addCommand(command);
  }
  for (const command of [program, ...program.commands]) {
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
    const help = error.code === "commander.help" ? "give a command; see knack --help" : error.message;
    console.error(help.replace(/^error: /, "knack: ").replaceAll("\n", " "));
    return 2;
  }
  if (error instanceof KnackError) {
    console.error(`knack: ${error.message}`);
    return error.exitCode;
  }
  if ((error as NodeJS.ErrnoException | undefined)?.code === "EPIPE") return 0;
  console.error(`knack: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  return 1;
}
