/** Starts the processes of a group on this machine, as torchrun does, and waits for their end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { constants } from "node:os";
import { createInterface } from "node:readline";

export interface GroupToStart {
  /** How many processes. */
  readonly size: number;
  /** What each runs: the arguments of this command line. */
  readonly args: readonly string[];
  /** How often the group was started before. */
  readonly restarts: number;
  /** Seconds that the others have to end by themselves once one has failed. */
  readonly patience: number;
}

/** Signals that ask to stop; each is passed on. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/** How a group ended. */
export interface GroupEnd {
  /** Of the process that failed first; 0 where none did. */
  readonly exitCode: number;
  /** Whether it was told to stop. */
  readonly stopped: boolean;
}

export async function startGroup({ size, args, restarts, patience }: GroupToStart): Promise<GroupEnd> {
  const port = await freePort();
  const told = new Set<string>();
  const children = Array.from({ length: size }, (_, rank) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...args], {
      stdio: ["ignore", "inherit", "pipe"],
      env: {
        ...process.env,
        RANK: String(rank),
        LOCAL_RANK: String(rank),
        WORLD_SIZE: String(size),
        LOCAL_WORLD_SIZE: String(size),
        MASTER_ADDR: "127.0.0.1",
        MASTER_PORT: String(port),
        TORCHELASTIC_RESTART_COUNT: String(restarts),
      },
    });
    showErrors(child, told);
    return child;
  });
  let stopped = false;
  const passOn = (signal: NodeJS.Signals) => {
    stopped = true;
    for (const child of children) child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, passOn);
  let failed = 0;
  let end: NodeJS.Timeout | undefined;
  try {
    await Promise.all(
      children.map(async (child) => {
        const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
        const exitCode = code ?? 128 + constants.signals[signal as NodeJS.Signals];
        if (exitCode === 0 || failed !== 0) return;
        failed = exitCode;
        end = setTimeout(() => {
          for (const other of children) other.kill("SIGKILL");
        }, 1000 * patience);
      }),
    );
  } finally {
    clearTimeout(end);
    for (const signal of SIGNALS) process.off(signal, passOn);
  }
  return { exitCode: failed, stopped };
}

/** What several processes say alike is shown once. */
function showErrors(child: ChildProcess, told: Set<string>): void {
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
    if (told.has(line)) return;
    told.add(line);
    process.stderr.write(`${line}\n`);
  });
}

/** A port that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address ? address.port : 0;
}
