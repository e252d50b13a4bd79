import { DATA_TYPE, type ModelProto } from "../schema.js";
import { Histogram } from "./histogram.js";
import { INPUT } from "../export.js";
import { OnnxSession } from "./onnx-session.js";
import type { Pictures } from "./pictures.js";
import type { Range } from "./integers.js";

/** Few, since all that a network computes for them is held at once. */
const BATCH = 4;

/** What numbers a float model's tensors have for some pictures: first how far they reach, then how often they are of which size. */
export async function observe(
  model: ModelProto,
  tensors: readonly string[],
  pictures: Pictures,
): Promise<Map<string, Histogram>> {
  const ranges = new Map<string, Range>(tensors.map((name) => [name, { low: 0, high: 0 }]));
  await see(model, tensors, pictures, (name, values) => ranges.set(name, widened(ranges.get(name) as Range, values)));
  const histograms = new Map(Array.from(ranges, ([name, range]) => [name, new Histogram(range)]));
  await see(model, tensors, pictures, (name, values) => histograms.get(name)?.add(values));
  return histograms;
}

async function see(
  model: ModelProto,
  tensors: readonly string[],
  pictures: Pictures,
  look: (name: string, values: Float32Array) => void,
): Promise<void> {
  await using session = await OnnxSession.open(withOutputs(model, tensors));
  for await (const outputs of session.outputs(pictures, BATCH)) {
    for (const name of tensors) look(name, outputs.get(name) as Float32Array);
  }
}

/** The model with these tensors as its outputs. */
function withOutputs(model: ModelProto, tensors: readonly string[]): ModelProto {
  const type = { tensor_type: { elem_type: DATA_TYPE.float32 } };
  const output = tensors.filter((name) => name !== INPUT).map((name) => ({ name, type }));
  return { ...model, graph: { ...model.graph, output } };
}

function widened({ low, high }: Range, values: Float32Array): Range {
  return { low: values.reduce((a, b) => Math.min(a, b), low), high: values.reduce((a, b) => Math.max(a, b), high) };
}
