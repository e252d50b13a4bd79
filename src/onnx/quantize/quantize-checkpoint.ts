import { writeFileAtomic } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import type { AnySource } from "../../data/sources/source.js";
import { foldBatchNorm } from "../../nn/graph/fold-batch-norm.js";
import { traceGraph } from "../../nn/graph/graph.js";
import type { EvaluationPlace } from "../../run/checkpoint-on-data.js";
import { scope } from "../../tensor/scope.js";
import { loadModel } from "../../weights/load-model.js";
import { onnxModel } from "../export.js";
import { checkPlace } from "../export-checkpoint.js";
import { metadataOf } from "../model-file.js";
import { encodeModel } from "../schema.js";
import { type Chosen, chooseForm } from "./choose.js";
import { type PicturesOfSet, picturesOf } from "./pictures.js";
import { type Speeds, speedsInTurn } from "./speed.js";

/** Training pictures that ranges are found on. */
const CALIBRATION_PICTURES = 256;
/** Bounds the memory of the validation pictures. */
const VALIDATION_BYTES = 2 ** 30;
const SPEED_BATCHES = [1, 16];

export interface QuantizeOptions extends Pick<EvaluationPlace, "workers" | "ignoreUnknownClasses" | "maxBadImages"> {
  /** How many points of top-1, or of several labels of mAP, may be lost. Default: 0.5. */
  readonly maxDrop?: number | undefined;
  /** Weights of 7 bits: exact also where a processor without VNNI adds two products in 16 bits. Default: 8 bits. */
  readonly reduceRange?: boolean | undefined;
  /** Told of what is begun, and of how good what was tried is. */
  readonly progress?: (line: string) => void;
}

export interface QuantizeReport extends Omit<Chosen, "model"> {
  readonly file: string;
  readonly architecture: string;
  readonly bytes: number;
  /** Of the same model in float. */
  readonly floatBytes: number;
  /** What ranges were found on. */
  readonly seen: PicturesOfSet;
  readonly validation: PicturesOfSet;
  /** Whether there are no training pictures, so that ranges were found on validation pictures. */
  readonly calibratedOnValidation: boolean;
  readonly speeds: readonly Speeds[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the newest checkpoint of a run is damaged and the one before it was taken: which one, and how. */
  readonly insteadOf: string | undefined;
}

/**
 * Writes a checkpoint as an ONNX file that runtimes compute in integers of 8 bits: weights symmetric for each output channel, activations in
 * ranges found on training pictures. Of several ways to find them the best by the validation pictures is taken; layers that lose most stay
 * in float until little enough is lost. The file is written whole or not at all.
 *
 * @param checkpoint a checkpoint's folder, a run's folder or a .safetensors file
 * @param file ends in .onnx
 * @throws InputError where the checkpoint, the data or the file's place is wrong; KnackError where too much is lost with any layer
 */
export async function quantizeCheckpoint(
  checkpoint: string,
  { train, validation }: Pick<AnySource, "train" | "validation">,
  file: string,
  { maxDrop = 0.5, reduceRange = false, progress = () => {}, ...place }: QuantizeOptions = {},
): Promise<QuantizeReport> {
  checkPlace(file);
  if (!(maxDrop >= 0 && maxDrop <= 100)) {
    throw new InputError(`--max-drop: must be points of top-1 from 0 to 100, not ${maxDrop}`);
  }
  const { model, metadata: ofFloat, architecture, insteadOf, imageBytes } = floatModel(checkpoint);
  progress("reading pictures");
  const measured = await picturesOf(checkpoint, validation, Math.floor(VALIDATION_BYTES / imageBytes), place);
  const calibratedOnValidation = train.count === 0;
  const seen = await picturesOf(checkpoint, calibratedOnValidation ? validation : train, CALIBRATION_PICTURES, place);

  const search = { seen, measured, maxDrop, largestWeight: reduceRange ? 64 : 127, progress };
  const { model: quantized, ...chosen } = await chooseForm(model, search);
  progress("measuring speed");
  const speeds: Speeds[] = [];
  for (const batch of SPEED_BATCHES) speeds.push(await speedsInTurn(model, quantized, measured, batch));

  const quantization = {
    weights: `${reduceRange ? "7 bits of int8" : "int8"}, symmetric, per output channel`,
    activations: "uint8, asymmetric, per tensor",
    ranges: chosen.method,
    calibration_images: seen.count,
    float_layers: chosen.inFloat,
    validation_images: measured.count,
    ...(chosen.measure === "top-1"
      ? { top1_float: chosen.floatScore, top1: chosen.quality.score }
      : { map_float: chosen.floatScore, map: chosen.quality.score }),
    agreement: chosen.quality.agreement,
  };
  const metadata = { ...ofFloat, quantization: JSON.stringify(quantization) };
  const metadata_props = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  const bytes = encodeModel({ ...quantized, metadata_props });
  writeFileAtomic(file, bytes);
  const sizes = { bytes: bytes.length, floatBytes: encodeModel(model).length };
  return {
    ...chosen,
    ...sizes,
    file,
    architecture,
    seen,
    validation: measured,
    calibratedOnValidation,
    speeds,
    metadata,
    insteadOf,
  };
}

/** A checkpoint's network in float, its batch norms folded. */
function floatModel(checkpoint: string) {
  const loaded = loadModel(checkpoint, "cpu");
  const { model: network, config, format, insteadOf } = loaded;
  const metadata = metadataOf(loaded, "float32");
  const { channels, height, width } = format;
  try {
    const model = scope(() => {
      const graph = foldBatchNorm(traceGraph(network, [1, channels, height, width]));
      return onnxModel(graph, metadata);
    });
    return { model, metadata, architecture: config.architecture, insteadOf, imageBytes: channels * height * width };
  } finally {
    network.dispose();
  }
}
