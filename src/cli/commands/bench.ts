import { Command, Option } from "commander";
import { InputError } from "../../base/errors.js";
import { ENGINE_NAMES, type EngineName } from "../../engine/engine-name.js";
import type { Benchmark, BenchmarkOptions } from "../../tools/benchmark.js";
import type { Precision } from "../../nn/precision.js";
import { type Device, deviceOption } from "../options/compute-options.js";
import { type ModelOptionValues, modelOption } from "../options/model-option.js";
import { sizeText } from "../../settings/image-size.js";
import { imageSides } from "../options/image-size.js";
import { wholeNumber } from "../options/whole-number.js";

interface BenchCommandOptions {
  batchSize: string;
  imageSize?: string;
  steps: string;
  option?: ModelOptionValues;
  engine?: EngineName;
  precision?: Precision;
  winograd: boolean;
  inference?: boolean;
  device: Device;
  json?: boolean;
}

interface Row {
  readonly engine: string;
  readonly precision: string;
  /** Median. */
  readonly imagesPerSecond: number;
  /** A step's, as `operations` are. */
  readonly meanSeconds: number;
  readonly firstSeconds: number;
  readonly operations: Benchmark["operations"];
}

/** `knack bench MODEL`: how fast this machine trains or evaluates a model, by which engine and precision, and where the time goes. */
export function benchCommand(): Command {
  return new Command("bench")
    .description(
      "how fast this machine trains a model, by which engine and precision, and where the time of a step goes",
    )
    .argument("<model>", "a name of knack models")
    .option("--batch-size <images>", "images a step", "16")
    .option("--image-size <size>", "pixels, 224 or HEIGHTxWIDTH as 192x320 (default: the model's own)")
    .option("--steps <count>", "steps to measure each way, after one that is not", "5")
    .option("--option <key=value>", "an option of the model, as width=32; may be repeated", modelOption)
    .addOption(new Option("--engine <engine>", "only this engine").choices(ENGINE_NAMES))
    .addOption(new Option("--precision <precision>", "only this precision").choices(["fp32", "bf16", "fp16"]))
    .option("--no-winograd", "fast engine: compute every convolution directly")
    .option("--inference", "evaluations instead of training steps")
    .addOption(deviceOption())
    .option("--json", "print JSON")
    .action(async (model: string, options: BenchCommandOptions) => {
      const { benchmarkInference, benchmarkTraining } = await import("../../tools/benchmark.js");
      const { modelEntry } = await import("../../models/registry.js");
      const batchSize = wholeNumber("--batch-size", options.batchSize, 1);
      const own = modelEntry(model).inputSize;
      const [height, width] = options.imageSize === undefined ? [own, own] : imageSides(options.imageSize);
      const steps = wholeNumber("--steps", options.steps, 1);
      const { winograd, inference = false, device, json = false } = options;
      const rows: Row[] = [];
      const missing: (Way & { readonly fault: InputError })[] = [];
      if (!json)
        console.log(`${model}, ${sizeText(height, width)}, ${batchSize} images a ${inference ? "pass" : "step"}`);
      for (const way of waysOf(options)) {
        const given = {
          model,
          modelOptions: options.option ?? {},
          imageSize: [height, width] as const,
          batchSize,
          winograd,
          device,
          steps,
          ...way,
        };
        try {
          const row = rowOf(inference ? benchmarkInference(given) : benchmarkTraining(given), batchSize);
          rows.push(row);
          if (!json) console.log(lineOf(row));
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          missing.push({ ...way, fault: error });
        }
      }
      // What was not asked for by name need not be there.
      if (rows.length === 0) throw missing[0]?.fault;
      for (const { engine, precision, fault } of json ? [] : missing) {
        console.log(`  ${engine.padEnd(6)} ${precision}  not to be had: ${fault.message}`);
      }
      if (json)
        console.log(
          JSON.stringify({ model, imageSize: height === width ? height : [height, width], batchSize, inference, rows }),
        );
      else summarise(rows, { inference });
    });
}

type Way = Pick<BenchmarkOptions, "engine" | "precision">;

/** Every engine with every precision, as far as the options leave them open. */
function waysOf({ engine, precision, device }: BenchCommandOptions): Way[] {
  const engines: EngineName[] = engine ? [engine] : device === "cpu" ? ["plain", "fast"] : ["plain"];
  const precisions: Precision[] = precision ? [precision] : ["fp32", "bf16"];
  return precisions.flatMap((each) => engines.map((name) => ({ engine: name, precision: each })));
}

function rowOf({ engine, precision, seconds, firstSeconds, operations }: Benchmark, batchSize: number): Row {
  const median = seconds.toSorted((a, b) => a - b)[seconds.length >> 1] as number;
  // Of the same steps as the times of the operations, which are means: a step that was held up is in both.
  const meanSeconds = seconds.reduce((sum, each) => sum + each, 0) / seconds.length;
  return { engine, precision, imagesPerSecond: batchSize / median, meanSeconds, firstSeconds, operations };
}

function lineOf({ engine, precision, imagesPerSecond, firstSeconds }: Row): string {
  const rate = imagesPerSecond.toPrecision(4).padStart(8);
  return `  ${engine.padEnd(6)} ${precision}  ${rate} images/s   first ${firstSeconds.toFixed(1)} s`;
}

function summarise(rows: readonly Row[], { inference }: { inference: boolean }): void {
  const fastest = rows.toSorted((a, b) => b.imagesPerSecond - a.imagesPerSecond)[0] as Row;
  console.log(`fastest here: --engine ${fastest.engine} --precision ${fastest.precision}`);
  if (fastest.operations.length === 0) return;
  const whole = 1000 * fastest.meanSeconds;
  console.log(`where its ${whole.toFixed(1)} ms on average go${inference ? "" : " (forward, backward)"}:`);
  let rest = whole;
  for (const { kind, forwardSeconds, backwardSeconds } of fastest.operations) {
    const [forward, backward] = [1000 * forwardSeconds, 1000 * backwardSeconds];
    rest -= forward + backward;
    if (forward + backward < whole / 200) continue;
    const both = inference ? "" : ` ${backward.toFixed(1).padStart(9)}`;
    console.log(`  ${kind.padEnd(16)} ${forward.toFixed(1).padStart(8)}${both} ms`);
  }
  const others = inference ? "images in, logits out" : "loss, optimizer, weights brought into their layouts";
  console.log(`  ${others}: ${rest.toFixed(1)} ms`);
}
