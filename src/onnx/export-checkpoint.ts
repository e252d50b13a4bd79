import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.js";
import { evaluationPixels } from "../data/pictures/evaluation-transform.js";
import { lookAt, namesIn } from "../data/sources/read-files.js";
import { PICTURE_NAME } from "../data/pictures/picture-name.js";
import { InputError, KnackError } from "../base/errors.js";
import { foldBatchNorm } from "../nn/graph/fold-batch-norm.js";
import { traceGraph } from "../nn/graph/graph.js";
import { scope } from "../tensor/scope.js";
import { lookOf } from "../weights/config.js";
import { type LoadedModel, loadModel } from "../weights/load-model.js";
import { exportOnnx, OPSET, OPSETS, type OnnxForm } from "./export.js";
import { inventedPicture } from "./invented-picture.js";
import { metadataOf } from "./model-file.js";
import { TOLERANCE, type Verification, verifyOnnx } from "./verify.js";

const INVENTED_PICTURES = 8;

export interface ExportOptions {
  /** Whether batch norms become part of the convolutions before them (see `foldBatchNorm`). Default: true. */
  readonly foldBatchNorm?: boolean;
  /** ONNX's operator set, 13 to 22. Default: 17. */
  readonly opset?: number | undefined;
  /** Images a batch. Default: any number. */
  readonly batch?: number | undefined;
  /** What the file takes: normalised "float32" (default), or the pictures' bytes as "uint8", which it normalises. */
  readonly input?: "float32" | "uint8" | undefined;
  /**
   * Compares the export with the model in ONNX Runtime before it is written: on these picture files, and those in these
   * folders; on invented pictures where there are none.
   */
  readonly verifyOn?: readonly string[];
}

export interface ExportReport {
  readonly file: string;
  readonly bytes: number;
  readonly opset: number;
  /** "images float32 [batch, 3, 224, 224]" */
  readonly input: string;
  readonly architecture: string;
  /** Numbers among the file's weights. */
  readonly parameters: number;
  /** Batch norms that became part of a convolution. */
  readonly folded: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** By which logits are divided in the file; undefined where the checkpoint is not calibrated. */
  readonly temperature: number | undefined;
  readonly verification?: Verification;
  /** Where the newest checkpoint of a run is damaged and the one before it was taken: which one, and how. */
  readonly insteadOf?: string | undefined;
}

/**
 * Exports a checkpoint as an ONNX file: input "images", [batch, C, H, W], normalised float32 or uint8; output "logits" [batch, K];
 * class names, preprocessing and licence as metadata. It is written whole or not at all, and only if it passes verification.
 *
 * @param checkpoint a checkpoint's folder, a run's folder or a .safetensors file
 * @param file ends in .onnx
 * @throws InputError where the checkpoint, the file's place or a picture is wrong; KnackError where ONNX Runtime's logits
 *   differ from knack's by more than 1e-4 of the largest.
 */
export async function exportCheckpoint(
  checkpoint: string,
  file: string,
  options: ExportOptions = {},
): Promise<ExportReport> {
  checkPlace(file);
  checkForm(options);
  const paths = options.verifyOn?.flatMap(picturesAt);
  const loaded = loadModel(checkpoint, "cpu");
  using model = loaded.model;
  const { config, format, insteadOf, calibration } = loaded;
  const { opset = OPSET, batch, input = "float32" } = options;
  const { channels, height, width, mean, std } = format;
  const metadata = metadataOf(loaded, input);
  const form: OnnxForm = { opset, batch, normalise: input === "uint8" ? { mean, std } : undefined };
  const { bytes, parameters, folded } = scope(() => {
    const traced = traceGraph(model, [1, channels, height, width]);
    const graph = options.foldBatchNorm === false ? traced : foldBatchNorm(traced);
    return {
      bytes: exportOnnx(graph, metadata, form),
      parameters: [...graph.parameters.values()].reduce((sum, tensor) => sum + tensor.size, 0),
      folded: traced.nodes.length - graph.nodes.length,
    };
  });
  const verification = paths && (await verify(bytes, loaded, paths, form));
  if (verification?.passed === false) {
    throw new KnackError(
      `${file} was not written: ONNX Runtime's logits differ from knack's by ${verification.relativeDifference.toExponential(1)} ` +
        `of the largest logit, more than ${TOLERANCE}`,
    );
  }
  writeFileAtomic(file, bytes);
  const { architecture } = config;
  const inputText = `images ${input} [${batch ?? "batch"}, ${channels}, ${height}, ${width}]`;
  const report = {
    file,
    bytes: bytes.length,
    opset,
    input: inputText,
    architecture,
    parameters,
    folded,
    metadata,
    temperature: calibration?.temperature,
    insteadOf,
  };
  return verification === undefined ? report : { ...report, verification };
}

/** @throws InputError where an ONNX file cannot be put: said before the work, not after it. */
export function checkPlace(file: string): void {
  if (!file.endsWith(".onnx")) throw new InputError(`${file}: the name of an ONNX file ends in .onnx`);
  if (lookAt(file)?.isDirectory()) throw new InputError(`${file} is a folder: give the name of a file`);
  if (!existsSync(dirname(file))) throw new InputError(`there is no folder ${dirname(file)} to write ${file} to`);
}

function checkForm({ opset = OPSET, batch = 1 }: ExportOptions): void {
  if (!OPSETS.includes(opset))
    throw new InputError(`opset: must be from ${OPSETS[0]} to ${OPSETS.at(-1)}, not ${opset}`);
  if (!(Number.isSafeInteger(batch) && batch > 0)) {
    throw new InputError(`batch: must be a whole number of images above 0, not ${batch}`);
  }
}

function picturesAt(path: string): string[] {
  if (!lookAt(path)?.isDirectory()) return [path];
  const names = namesIn(path).filter((name) => PICTURE_NAME.test(name));
  if (names.length === 0) throw new InputError(`${path} holds no pictures`);
  return names.map((name) => join(path, name));
}

function verify(
  bytes: Uint8Array,
  { model, config, format }: LoadedModel,
  paths: readonly string[],
  form: OnnxForm,
): Promise<Verification> {
  const { height, width, channels } = format;
  const look = { ...lookOf(config), size: [height, width], channels, mean: format.mean } as const;
  const given = paths.map((path) => () => evaluationPixels(path, look));
  const invented = Array.from(
    { length: INVENTED_PICTURES },
    (_, seed) => async () => inventedPicture(seed, height, width, channels),
  );
  return verifyOnnx(model, bytes, given.length > 0 ? given : invented, format, form);
}
