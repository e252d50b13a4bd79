/** `onnx-step.js MODEL SIZE BATCH STEPS inference`: ONNX Runtime's seconds a pass over knack's export, as JSON; started by bench/index.ts. */
import { availableParallelism } from "node:os";
import runtime from "onnxruntime-node";
import { createModel } from "../src/models/registry.js";
import { foldBatchNorm } from "../src/nn/graph/fold-batch-norm.js";
import { traceGraph } from "../src/nn/graph/graph.js";
import { exportOnnx, INPUT } from "../src/onnx/export.js";
import { scope } from "../src/tensor/scope.js";
import { peakMemory } from "./peak-memory.js";

const [model = "", size = "", batch = "", steps = ""] = process.argv.slice(2);
const shape = [Number(batch), 3, Number(size), Number(size)] as const;
const exported = scope(() => {
  using network = createModel(model, { classes: 1000, inChannels: 3 });
  return exportOnnx(foldBatchNorm(traceGraph(network.eval(), [1, 3, shape[2], shape[3]])), {});
});
const session = await runtime.InferenceSession.create(exported, { intraOpNumThreads: availableParallelism() });
const images = new runtime.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5), shape);
const seconds: number[] = [];
for (let i = 0; i <= Number(steps); i++) {
  const start = performance.now();
  await session.run({ [INPUT]: images });
  seconds.push((performance.now() - start) / 1000);
}
console.log(JSON.stringify({ first: seconds[0], seconds: seconds.slice(1), peakBytes: peakMemory() }));
