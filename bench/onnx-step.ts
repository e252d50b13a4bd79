/** `onnx-step.js FILE SIZE BATCH STEPS`: seconds a pass over an ONNX file as `knack predict` computes it, as JSON; started by bench/index.ts. */
import { openOnnxNetwork } from "../src/inference/onnx-network.js";
import { peakMemory } from "./peak-memory.js";

const [file = "", ...numbers] = process.argv.slice(2);
const [size = 0, batch = 0, steps = 0] = numbers.map(Number);
const network = await openOnnxNetwork(file, { class_names: [], interpolation: "bicubic", crop_pct: 0.875 });
const pixels = Uint8Array.from({ length: batch * size * size * 3 }, (_, index) => (index * 2654435761) >>> 24);
const seconds: number[] = [];
for (let i = 0; i <= steps; i++) {
  const start = performance.now();
  await network.logits(pixels);
  seconds.push((performance.now() - start) / 1000);
}
console.log(JSON.stringify({ first: seconds[0], seconds: seconds.slice(1), peakBytes: peakMemory() }));
