/**
 * From photographs on disk to a top-1: knack's recipe `fine-tune` from a MobileNet's weights against the same training in PyTorch and torchvision
 * (bench/fine-tune.py), seed by seed in turn. Both evaluate after every epoch; what counts is the time from the start of the program to the first
 * evaluation that reaches the target.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { presets } from "../src/recipe/presets.js";
import { median, python, type Row } from "./row.js";

const { epochs, batchSize, lr, labelSmoothing } = presets["fine-tune"];
/** The network of Keras' weights: TensorFlow's padding, ReLU6 and epsilon. */
const MODEL = "mobilenetv1_075";
const OPTIONS = ["pad_type=same", "act_layer=relu6", "bn_eps=0.001"].flatMap((option) => ["--option", option]);

interface Trained {
  /** From the start of the program to the target; null where it was never reached. */
  readonly toTarget: number | null;
  /** Of the whole training. */
  readonly seconds: number;
  /** Top-1 after each epoch. */
  readonly top1: readonly number[];
}

export interface EndToEndRow extends Row {
  /** Top-1, as 0.86. */
  readonly target: number;
  /** Of each seed, from 0 on. */
  readonly seeds: { readonly knack: readonly Trained[]; readonly pytorch: readonly Trained[] };
}

/**
 * @param folder train/CLASS/*.jpg and val/CLASS/*.jpg
 * @param weights safetensors of a mobilenetv1_075 by timm's names
 */
export async function measureEndToEnd(
  folder: string,
  weights: string,
  target: number,
  seeds: number,
): Promise<EndToEndRow> {
  const knack: Trained[] = [];
  const pytorch: Trained[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    knack.push(await trainWithKnack(folder, weights, target, seed));
    pytorch.push(await trainWithPyTorch(folder, weights, target, seed));
  }
  const time = (runs: readonly Trained[]) => {
    const reached = runs.flatMap(({ toTarget }) => toTarget ?? []);
    return reached.length === runs.length ? median(reached) : null;
  };
  const [ours, peer] = [time(knack), time(pytorch)];
  return {
    bench: "end-to-end",
    model: MODEL,
    imageSize: 224,
    batch: batchSize,
    precision: "fp32",
    unit: "s",
    knack: ours,
    peers: { pytorch: peer },
    ratios: { pytorch: ours === null || peer === null ? null : peer / ours },
    target,
    seeds: { knack, pytorch },
  };
}

async function trainWithKnack(folder: string, weights: string, target: number, seed: number): Promise<Trained> {
  const out = mkdtempSync(join(tmpdir(), "knack-bench-"));
  const program = fileURLToPath(new URL("../../bin/knack.js", import.meta.url));
  const model = ["--init", weights, "--model", MODEL, ...OPTIONS];
  const args = ["train", folder, "--recipe", "fine-tune", ...model, "--seed", `${seed}`, "--out", join(out, "run")];
  try {
    return await follow(process.execPath, [program, ...args, "--json"], target);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

function trainWithPyTorch(folder: string, weights: string, target: number, seed: number): Promise<Trained> {
  const smoothing = labelSmoothing ? labelSmoothing.epsilon : 0;
  const recipe = { epochs, "batch-size": batchSize, lr, "label-smoothing": smoothing, seed };
  const options = Object.entries(recipe).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const script = fileURLToPath(new URL("../../bench/fine-tune.py", import.meta.url));
  return follow(python, [script, folder, weights, ...options], target);
}

/** Runs a program that prints JSON lines, and times those that have a top-1 and an epoch. */
async function follow(program: string, args: readonly string[], target: number): Promise<Trained> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const top1: number[] = [];
  let toTarget: number | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type?: string; top1?: number };
    if (event.type !== "epoch" || event.top1 === undefined) continue;
    top1.push(event.top1);
    if (event.top1 >= target) toTarget ??= seconds();
  }
  if ((await ended) !== 0) throw new Error(`${program} ${args.join(" ")} failed`);
  return { toTarget, seconds: seconds(), top1 };
}
