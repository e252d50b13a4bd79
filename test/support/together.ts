/** Starts processes that train together, as launchers do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { TrainEvent } from "../../src/index.js";
import type { TogetherTask } from "../children/together.js";

const child = fileURLToPath(new URL("../children/together.js", import.meta.url));

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address ? address.port : 0;
}

/** What a process printed: its events, and an error as one. */
export interface Ended {
  readonly events: readonly TrainEvent[];
  readonly error: string | undefined;
}

/** One process without launcher, or several with; of each its events. */
export async function together(size: number, taskOf: (rank: number) => TogetherTask): Promise<Ended[]> {
  const port = await freePort();
  const ended = Array.from({ length: size }, async (_, rank) => {
    const place = {
      RANK: rank,
      LOCAL_RANK: rank,
      WORLD_SIZE: size,
      LOCAL_WORLD_SIZE: size,
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: port,
    };
    const strings = Object.entries(size === 1 ? {} : place).map(([name, value]) => [name, String(value)]);
    const started = spawn(process.execPath, [child, JSON.stringify(taskOf(rank))], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, OMP_NUM_THREADS: "1", ...Object.fromEntries(strings) },
    });
    let text = "";
    started.stdout.on("data", (piece) => {
      text += piece;
    });
    await once(started, "close");
    const events = text
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as TrainEvent);
    const error = events.find((event) => event.type === "error");
    return { events, error: error?.message };
  });
  return Promise.all(ended);
}
