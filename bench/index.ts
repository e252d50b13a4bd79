/** `npm run bench`: knack against its peers, measured in turn in one run; what is printed are medians over the rounds and their ratios. */
import { writeFileSync } from "node:fs";
import Table from "cli-table3";
import { Command, InvalidArgumentError, Option } from "commander";
import { describeEnvironment } from "../src/run/environment.js";
import { type EndToEndRow, measureEndToEnd } from "./end-to-end.js";
import { type LoaderRow, measureLoader } from "./loader.js";
import type { Row } from "./row.js";
import { type Isa, measureSteps, type StepRow, stepCases } from "./steps.js";

interface Options {
  only?: Row["bench"];
  model?: string;
  batch?: number;
  precision: Row["precision"];
  isa?: Isa;
  rounds: number;
  data?: string;
  init?: string;
  target: number;
  json?: string;
}

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== "" && value > 0) return value;
  throw new InvalidArgumentError("must be a number above 0.");
};

await new Command("npm run bench --")
  .description(
    "knack against PyTorch, torchvision, OpenVINO, ONNX Runtime and the limit of oneDNN, in turn in one run: as far as KNACK_PEERS, a python3, has them, or /usr/bin/python3.",
  )
  .addOption(new Option("--only <bench>").choices(["training", "inference", "loader", "end-to-end"]))
  .option("--model <name>", "training and inference: only this model")
  .option("--batch <images>", "training and inference: only this batch size", number)
  .addOption(
    new Option("--precision <precision>", "of training and inference; int8 of inference")
      .choices(["fp32", "bf16", "int8"])
      .default("fp32"),
  )
  .addOption(new Option("--isa <set>", "training and inference: take the processor for a lesser one").choices(["avx2"]))
  .option("--rounds <count>", "how often everything is measured; end to end: how many seeds", number, 3)
  .option("--data <folder>", "loader and end-to-end: photographs, train/CLASS/*.jpg and val/CLASS/*.jpg")
  .option("--init <weights>", "end-to-end: safetensors of Keras' mobilenetv1_075 by timm's names")
  .option("--target <top-1>", "end-to-end: what counts is the time to it", number, 0.86)
  .option("--json <file>", "keep the rows and the machine's description")
  .action(measure)
  .parseAsync();

async function measure(options: Options, command: Command): Promise<void> {
  const { only, model, batch, precision, isa, rounds, data, init, target, json } = options;
  const rows: Row[] = [];
  const keep = <R extends Row>(row: R): R => {
    rows.push(row);
    console.error(`${row.bench} ${row.model ?? ""} batch ${row.batch}: ${JSON.stringify(row.ratios)}`);
    if (json) writeFileSync(json, `${JSON.stringify({ machine: describeEnvironment(), rows }, null, 2)}\n`);
    return row;
  };
  const wanted = (bench: Row["bench"]) => only === undefined || only === bench;
  if (wanted("training") || wanted("inference")) {
    const cases = stepCases(precision === "int8" ? "inference" : only, model, batch);
    if (cases.length === 0)
      command.error("error: nothing to measure: this model or batch size is not among those of bench/steps.ts");
    printSteps(cases.map((given) => keep(measureSteps(given, precision, rounds, isa))));
  }
  if (wanted("loader")) {
    if (data) printLoader(keep(await measureLoader(data, rounds)));
    else if (only) command.error("error: the loader needs photographs: --data FOLDER");
    else console.log("loader: left out, it needs photographs: --data FOLDER");
  }
  if (wanted("end-to-end")) {
    if (data && init) printEndToEnd(keep(await measureEndToEnd(data, init, target, rounds)));
    else if (only) command.error("error: end-to-end needs photographs and weights: --data FOLDER --init WEIGHTS");
    else console.log("end to end: left out, it needs photographs and weights: --data FOLDER --init WEIGHTS");
  }
}

function figure(value: number | null | undefined): string {
  return value?.toPrecision(3) ?? "";
}

/** A table for each bench among the rows, as they have different peers. */
function printSteps(rows: readonly StepRow[]): void {
  for (const bench of new Set(rows.map((row) => row.bench))) {
    const ofBench = rows.filter((row) => row.bench === bench);
    const peers = Object.keys(ofBench[0]?.peers ?? {});
    const short = peers.map((name) => name.replace("pytorch-", "").replace("onnxruntime", "ONNX"));
    const head = [bench, "batch", "knack", ...short, ...short.map((name) => `x ${name}`), "first step s", "memory GB"];
    const table = new Table({ head, style: { head: [], border: [] } });
    for (const { model, imageSize, batch, knack, peers: rates, ratios, ...row } of ofBench) {
      const besideEager = (values: Readonly<Record<string, number>>, unit: number) =>
        ["knack", "pytorch-eager"]
          .flatMap((name) => values[name] ?? [])
          .map((value) => (value / unit).toFixed(2))
          .join(", ");
      table.push([
        `${model} ${imageSize}`,
        batch,
        ...[knack, ...peers.map((name) => rates[name]), ...peers.map((name) => ratios[name])].map(figure),
        besideEager(row.firstStepSeconds, 1),
        besideEager(row.peakMegabytes, 1000),
      ]);
    }
    console.log(table.toString());
  }
  console.log("images/s, medians of rounds in turn; first step and peak memory: knack's, eager's");
}

function printLoader({ pictures, workers, knack, peers, ratios, rounds }: LoaderRow): void {
  console.log(
    `loader, ${pictures} pictures, ${workers} workers: knack ${knack?.toFixed(0)}, torchvision ${peers.torchvision?.toFixed(0)} images/s ` +
      `(medians of ${rounds.knack.length}), ${ratios.torchvision?.toFixed(2)} times as many`,
  );
}

function printEndToEnd({ model, target, knack, peers, ratios, seeds }: EndToEndRow): void {
  const percent = (share: number | undefined) => `${(100 * (share ?? 0)).toFixed(1)} %`;
  const time = (seconds: number | null | undefined) =>
    seconds == null ? "not by every seed" : `${seconds.toFixed(0)} s`;
  console.log(
    `end to end, ${model} to ${percent(target)} top-1: knack ${time(knack)}, PyTorch ${time(peers.pytorch)} (medians of ${seeds.knack.length} seeds)` +
      (ratios.pytorch ? `, ${ratios.pytorch.toFixed(2)} times as fast` : ""),
  );
  for (const [name, runs] of [
    ["knack", seeds.knack],
    ["PyTorch", seeds.pytorch],
  ] as const) {
    const each = runs.map((run) => `${percent(run.top1.at(-1))} in ${run.seconds.toFixed(0)} s`).join(", ");
    console.log(`  ${name}, whole training: ${each}`);
  }
}
