import type { ImageShape, InputFormat } from "../data/split.js";
import type { EvaluationFormat } from "../data/pictures/evaluation-transform.js";
import sharp, { type Sharp } from "../data/pictures/sharp.js";
import { InputError } from "../base/errors.js";
import type { Module } from "../nn/module.js";
import { prepareImages } from "../training/prepare-images.js";
import { lookOf } from "../weights/config.js";
import { loadModel } from "../weights/load-model.js";
import { enlarged, gradCam, type Heat } from "./grad-cam.js";

/** Why a network takes a picture for a class. */
export interface Explanation {
  /** The class's name and index. */
  readonly class: string;
  readonly index: number;
  /** Softmax of the logits. */
  readonly probability: number;
  /** Where the class was seen, from 0 to 1, as large as the network's input. */
  readonly heat: Heat;
  /** The picture as the network sees it, with the heat on it. */
  readonly overlay: Sharp;
}

/** How much of an overlay is the colour of its heat. */
const COLOUR = 0.45;

/** Says where a checkpoint's network saw what it takes pictures for: Grad-CAM. It holds memory until it is disposed. */
export class Explainer implements Disposable {
  readonly classes: readonly string[];
  /** How pictures become its input. */
  readonly format: EvaluationFormat;
  /** Where the newest checkpoint of a run is damaged and the one before it is used: which one, and how. */
  readonly insteadOf: string | undefined;
  readonly #model: Module;
  readonly #input: InputFormat;

  /**
   * @param path a checkpoint's folder, a run's folder or a .safetensors file
   * @param device "cpu" or "cuda"
   * @throws InputError as `loadModel`
   */
  constructor(
    path: string,
    private readonly device = "cpu",
  ) {
    const { model, config, format, insteadOf } = loadModel(path, device);
    this.classes = config.label_names;
    this.insteadOf = insteadOf;
    const { height, width, channels } = format;
    this.format = { ...lookOf(config), size: [height, width], channels, mean: config.mean };
    this.#model = model;
    this.#input = format;
  }

  /** The index of a class by its name. @throws InputError where there is none */
  labelOf(name: string): number {
    const label = this.classes.indexOf(name);
    if (label >= 0) return label;
    throw new InputError(
      `--class: there is no class ${JSON.stringify(name)}; there are ${this.classes.slice(0, 20).join(", ")}`,
    );
  }

  /**
   * @param pixels of one picture as the network sees it, [H, W, C] uint8
   * @param label the class that is explained. Default: the likeliest
   * @throws InputError as `gradCam`
   */
  explain(pixels: Uint8Array, label?: number): Explanation {
    using images = prepareImages(pixels, this.#input, this.device);
    const [found] = gradCam(this.#model, images, label === undefined ? undefined : () => label);
    if (found === undefined) throw new Error("no picture was given");
    const { height, width } = this.#input;
    const heat = enlarged(found.heat, height, width);
    const most = Math.max(...found.logits);
    const powers = found.logits.map((logit) => Math.exp(logit - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return {
      class: this.classes[found.label] as string,
      index: found.label,
      probability: (powers[found.label] as number) / sum,
      heat,
      overlay: overlayOf(pixels, this.#input, heat),
    };
  }

  [Symbol.dispose](): void {
    this.#model.dispose();
  }
}

/** The picture with heat in the colours from blue (none) over green and yellow to red (most). */
function overlayOf(pixels: Uint8Array, { height, width, channels }: ImageShape, { values }: Heat): Sharp {
  const mixed = new Uint8Array(3 * height * width);
  for (const [at, value] of values.entries()) {
    for (let channel = 0; channel < 3; channel++) {
      const own = pixels[at * channels + (channels === 1 ? 0 : channel)] as number;
      // Red is strongest at 3/4, green in the middle, blue at 1/4.
      const colour = Math.min(1, Math.max(0, 1.5 - Math.abs(4 * value - 3 + channel)));
      mixed[3 * at + channel] = Math.round((1 - COLOUR) * own + COLOUR * 255 * colour);
    }
  }
  return sharp(mixed, { raw: { height, width, channels: 3 } });
}
