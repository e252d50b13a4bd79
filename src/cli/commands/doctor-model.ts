import { availableMemory } from "../../base/limits.js";
import type { EngineName } from "../../engine/engine-name.js";
import { modelEntry } from "../../models/registry.js";
import { parseRecipe } from "../../recipe/parse.js";
import type { ModelOptionValues } from "../options/model-option.js";
import { sizeText } from "../../settings/image-size.js";
import { imageSides } from "../options/image-size.js";
import { wholeNumber } from "../options/whole-number.js";

export interface ModelMemoryOptions {
  readonly batchSize?: string;
  readonly imageSize?: string;
  readonly option?: ModelOptionValues;
  readonly precision?: string;
  readonly engine?: EngineName;
  readonly json?: boolean;
}

/** Of ImageNet, which most models are described for. */
const CLASSES = 1000;
/** Smaller images than that are taken for those that data sets hold in memory. */
const SMALLEST_PHOTOGRAPH = 64;

/** `knack doctor MODEL`: how much memory a training of it takes at most, and the largest batch that fits. */
export async function printModelMemory(model: string, options: ModelMemoryOptions): Promise<void> {
  const { option = {}, precision, engine = "auto", json = false } = options;
  const { inputSize } = modelEntry(model);
  const [height, width] = options.imageSize === undefined ? [inputSize, inputSize] : imageSides(options.imageSize);
  const batchSize =
    options.batchSize === undefined || options.batchSize === "auto"
      ? undefined
      : wholeNumber("--batch-size", options.batchSize, 1);
  const photographs = Math.min(height, width) >= SMALLEST_PHOTOGRAPH;
  const imageSize = photographs ? ([height, width] as const) : null;
  const recipe = parseRecipe(
    { model, modelOptions: option, imageSize, ...(precision !== undefined && { precision }) },
    "command line",
    undefined,
    (key) => `--${key}`,
  );
  const { memoryNeed } = await import("../../tools/memory/memory-need.js");
  const { gibibytes, largestThatFits } = await import("../../tools/memory/largest-batch.js");
  const pictures = {
    photographs,
    height,
    width,
    channels: 3,
    classes: CLASSES,
  } as const;
  const training = { recipe, pictures, engine: { engine, winograd: true }, workers: undefined };
  if (!json) console.log(`${model}, ${sizeText(height, width)}: two steps with two small batches are tried …`);
  const need = await memoryNeed(training);
  const available = availableMemory();
  const largest = largestThatFits(need, available, 1);
  if (json) {
    const bytes = batchSize === undefined ? {} : { batchSize, bytes: Math.round(need.at(batchSize)) };
    console.log(
      JSON.stringify({ model, imageSize: height === width ? height : [height, width], ...bytes, available, largest }),
    );
    return;
  }
  if (batchSize !== undefined) {
    const fits = need.at(batchSize) <= available ? "which fits" : "which does not fit";
    console.log(
      `batch size ${batchSize}: about ${gibibytes(need.at(batchSize))} at most, ${fits} into the ${gibibytes(available)} that are free`,
    );
  }
  const none = `not even 8 images a batch fit into the ${gibibytes(available)} that are free: take a smaller model or --image-size`;
  console.log(largest === 0 ? none : `the largest that fits: ${largest}, about ${gibibytes(need.at(largest))}`);
}
