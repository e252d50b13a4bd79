import { Command, Option } from "commander";
import { InputError } from "../../base/errors.js";
import type { ExportReport } from "../../onnx/export-checkpoint.js";

interface ExportCommandOptions {
  onnx: string;
  verify?: true;
  images?: string[];
  foldBn: boolean;
  opset?: number;
  batch?: number;
  input?: "float32" | "uint8";
}

export function exportCommand(): Command {
  return new Command("export")
    .description("write a checkpoint as an ONNX file, with class names, preprocessing and licence")
    .argument("<checkpoint>", "a run's or a checkpoint's folder, or a .safetensors file")
    .requiredOption("--onnx <file>", "the file to write")
    .option("--verify", "compare the logits with ONNX Runtime's before the file is written")
    .option("--images <path...>", "pictures, or folders of pictures, to verify with; without, invented ones")
    .option("--no-fold-bn", "keep the batch norms apart from the convolutions before them")
    .option("--opset <version>", "ONNX's operator set, 13 to 22 (default: 17)", wholeNumber("--opset"))
    .option("--batch <images>", "a batch of this size only (default: any)", wholeNumber("--batch"))
    .addOption(
      new Option(
        "--input <type>",
        "float32: normalised images; uint8: [N, 3, H, W] bytes of RGB, which the file normalises itself (default: float32)",
      ).choices(["float32", "uint8"]),
    )
    .action(async (checkpoint: string, { onnx, verify, images, foldBn, ...form }: ExportCommandOptions) => {
      if (images && !verify) throw new InputError("--images: these are pictures to verify with: add --verify");
      const { exportCheckpoint } = await import("../../onnx/export-checkpoint.js");
      const verifyOn = verify && (images ?? []);
      const report = await exportCheckpoint(checkpoint, onnx, {
        ...form,
        foldBatchNorm: foldBn,
        ...(verifyOn && { verifyOn }),
      });
      if (report.insteadOf !== undefined) console.error(`knack: warning: ${report.insteadOf}`);
      console.log(describe(report, images === undefined));
    });
}

function wholeNumber(option: string) {
  return (text: string): number => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new InputError(`${option}: must be a whole number, not ${JSON.stringify(text)}`);
  };
}

function describe(report: ExportReport, invented: boolean): string {
  const { file, bytes, opset, input, architecture, parameters, folded, metadata, temperature, verification } = report;
  const millions = (count: number) => `${(count / 1e6).toFixed(1)}`;
  const lines = [
    `${file}: ${architecture}, ${millions(parameters)} M parameters, ${millions(bytes)} MB, opset ${opset}`,
    `input: ${input}`,
    folded > 0 ? `batch norms folded into convolutions: ${folded}` : "batch norms kept",
    ...(temperature === undefined
      ? []
      : [`calibrated: the logits are divided by temperature ${temperature.toFixed(4)}`]),
    `metadata: ${Object.keys(metadata).join(", ")}`,
  ];
  if (verification) {
    const { pictures, batches, difference, relativeDifference, top1Agreement } = verification;
    lines.push(
      `verified in ONNX Runtime on ${pictures} ${invented ? "invented " : ""}picture${pictures === 1 ? "" : "s"} in batches of ${batches.join(", ")}: ` +
        `logits differ by at most ${difference.toExponential(1)} (${relativeDifference.toExponential(1)} of the largest), ` +
        `the same class first for ${(top1Agreement * 100).toFixed(1)} %`,
    );
  }
  return lines.join("\n");
}
