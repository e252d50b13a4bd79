/** A process of a group that trains on noise: its place is in the environment, what it trains in its arguments. Prints its events, a line each. */
import { placeFrom } from "../../src/base/launcher.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { runSession } from "../../src/run/session.js";
import { randomData } from "../support/random-data.js";
import { tiny } from "../support/tiny-training.js";

export interface TogetherTask {
  readonly recipe: RecipeInput;
  readonly out: string;
  /** Training images. */
  readonly images: number;
  readonly syncBatchNorm?: boolean;
  readonly engine?: "fast" | "plain";
  /** Seconds. */
  readonly timeout?: number;
  readonly resume?: boolean;
  /** Steps between checkpoints. */
  readonly checkpointSteps?: number;
  /** In the process of `rank`, before step `step` + 1. */
  readonly fault?: {
    readonly rank: number;
    readonly step: number;
    readonly kind: "kill" | "ask";
  };
}

const {
  recipe,
  out,
  images,
  syncBatchNorm,
  engine = "plain",
  timeout = 20,
  resume,
  checkpointSteps,
  fault,
}: TogetherTask = JSON.parse(process.argv[2] ?? "");
const place = placeFrom();
const processes = place && { place, timeout };
const data = randomData(images, 16);
const checkpoints = { every: { steps: checkpointSteps ?? 1000 } };
const shared = { workers: 0, device: "cpu", processes, syncBatchNorm, checkpoints };
const task = resume
  ? { resume: out, data, ...shared }
  : { data, recipe: tiny(recipe), out, engine: { engine, winograd: true, reproducible: true }, ...shared };
let asked = false;
try {
  for await (const event of runSession(task, () => asked)) {
    console.log(JSON.stringify(event));
    if (event.type !== "step" || fault?.rank !== place?.rank || event.step !== fault?.step) continue;
    if (fault.kind === "kill") process.kill(process.pid, "SIGKILL");
    if (fault.kind === "ask") asked = true;
  }
} catch (error) {
  console.log(JSON.stringify({ type: "error", message: error instanceof Error ? error.message : String(error) }));
  process.exitCode = 1;
}
