/** `step.js MODEL SIZE BATCH STEPS training|inference fp32|bf16 [blocks|channels-last]`: knack's seconds a step, as JSON; started by bench/index.ts. */
import { type BenchmarkOptions, benchmarkInference, benchmarkTraining } from "../src/tools/benchmark.js";
import { peakMemory } from "./peak-memory.js";

const [model = "", size, batch, steps, mode, precision, layout] = process.argv.slice(2);
const options: BenchmarkOptions = {
  model,
  modelOptions: {},
  imageSize: [Number(size), Number(size)],
  batchSize: Number(batch),
  engine: "auto",
  winograd: true,
  precision: precision === "bf16" ? "bf16" : "fp32",
  device: "cpu",
  steps: Number(steps),
  layout: layout === "blocks" || layout === "channels-last" ? layout : undefined,
};
const { firstSeconds, seconds } = mode === "training" ? benchmarkTraining(options) : benchmarkInference(options);
console.log(JSON.stringify({ first: firstSeconds, seconds, peakBytes: peakMemory() }));
