import { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { startGroup } from "../launch/start-group.js";
import { processesFrom } from "../options/processes-options.js";
import { wholeNumber } from "../options/whole-number.js";

/** Seconds of a process's end beside what it waits for others. */
const END_SECONDS = 20;

/** `knack launch`: trains one model by several processes of this machine, as torchrun starts them. */
export function launchCommand(): Command {
  return new Command("launch")
    .description("train one model by several processes of this machine: knack launch -n 4 -- train DATA --out RUN …")
    .argument("<command...>", "after --: train, and what else it takes")
    .requiredOption("-n, --processes <count>", "how many processes")
    .option("--restarts <count>", "start again from the last checkpoint where they fail, so often; needs --out", "0")
    .action(async (args: string[], options: { processes: string; restarts: string }) => {
      const size = wholeNumber("-n", options.processes, 1);
      const most = wholeNumber("--restarts", options.restarts, 0);
      if (args[0] !== "train") {
        throw new InputError(
          `launch: starts only train, not ${JSON.stringify(args[0])}: knack launch -n 2 -- train DATA`,
        );
      }
      if (most > 0 && !has(args, "--out") && !has(args, "--resume")) {
        throw new InputError("--restarts: only a run with a folder of its own goes on: name it by --out RUN");
      }
      const timeout = given(args, "--dist-timeout");
      const { distributedTimeout = 30 } = processesFrom(timeout === undefined ? {} : { distTimeout: timeout });
      const patience = 2 * distributedTimeout + END_SECONDS;
      for (let restarts = 0; ; restarts++) {
        const { exitCode, stopped } = await startGroup({ size, args, restarts, patience });
        process.exitCode = exitCode;
        // What the user gave wrong stays wrong.
        if (exitCode === 0 || exitCode === 2 || stopped || restarts === most) return;
        console.error(`knack: the processes ended by an error: start ${restarts + 2} of at most ${most + 1}`);
      }
    });
}

function has(args: readonly string[], option: string): boolean {
  return args.some((each) => each === option || each.startsWith(`${option}=`));
}

function given(args: readonly string[], option: string): string | undefined {
  const at = args.findIndex((each) => each === option || each.startsWith(`${option}=`));
  if (at < 0) return undefined;
  return args[at]?.includes("=") ? args[at].slice(option.length + 1) : args[at + 1];
}
