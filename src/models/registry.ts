import { InputError } from "../errors.js";
import type { Module } from "../nn/module.js";
import { RESNET_DEPTHS, ResNet, type ResNetDepth, type ResNetVariant } from "./resnet.js";

/** What the data and the recipe decide about a model; the name decides the rest. */
export interface ModelOptions {
  readonly classes: number;
  readonly inChannels: 1 | 3;
  /** Channels of the first stage; default 64. */
  readonly width?: number | undefined;
}

export interface ModelEntry {
  readonly name: string;
  /** Height and width in pixels the model is made for. */
  readonly inputSize: number;
  readonly build: (options: ModelOptions) => Module;
}

const VARIANT_SUFFIX: Readonly<Record<ResNetVariant, string>> = { v1: "_v1", b: "", c: "c", d: "d" };

/** Every model by name: resnet50_v1, resnet50 (B, as torchvision and timm call it), resnet50c, resnet50d, resnet50d_small, … */
export const MODELS: ReadonlyMap<string, ModelEntry> = new Map(
  RESNET_DEPTHS.flatMap((depth) =>
    (Object.keys(VARIANT_SUFFIX) as ResNetVariant[]).flatMap((variant) =>
      [false, true].map((small): [string, ModelEntry] => {
        const name = resnetName(depth, variant, small);
        const inputSize = small ? 32 : 224;
        const build = ({ classes, inChannels, width = 64 }: ModelOptions) =>
          new ResNet({ depth, variant, small, classes, inChannels, width });
        return [name, { name, inputSize, build }];
      }),
    ),
  ),
);

function resnetName(depth: ResNetDepth, variant: ResNetVariant, small: boolean): string {
  return `resnet${depth}${VARIANT_SUFFIX[variant]}${small ? "_small" : ""}`;
}

/** Images up to this many pixels high or wide take the small-image form of a model. */
const SMALL_IMAGE = 64;

/** The model that `name` means for images of this size: its small-image form where the images are small and it has one. */
export function formForImages(name: string, height: number, width: number): string {
  const small = `${name}_small`;
  return Math.max(height, width) <= SMALL_IMAGE && MODELS.has(small) ? small : name;
}

/**
 * A new model, its weights still 0 (see `xavierUniform`).
 *
 * @throws InputError where the name is not registered or an option is impossible.
 */
export function createModel(name: string, options: ModelOptions): Module {
  const entry = MODELS.get(name);
  if (!entry) {
    throw new InputError(
      `model: there is no model "${name}": give resnet18, 34, 50, 101 or 152, then "_v1", nothing (ResNet-B), "c" or "d", then "_small" for images up to ${SMALL_IMAGE} pixels, as resnet50d or resnet18d_small`,
    );
  }
  const { width, classes } = options;
  if (width !== undefined && !(Number.isInteger(width) && width >= 2 && width % 2 === 0)) {
    throw new InputError(`modelOptions.width: must be an even number of channels, at least 2, got ${width}`);
  }
  if (!(Number.isInteger(classes) && classes >= 2)) {
    throw new InputError(`model: a classifier needs at least 2 classes, got ${classes}`);
  }
  return entry.build(options);
}
