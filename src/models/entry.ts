import type { z } from "../settings/zod.js";
import type { Module } from "../nn/module.js";

/** What the data decides about a model. */
export interface Task {
  readonly classes: number;
  readonly inChannels: number;
}

/** Options of a model by name, as `{ width: 32 }`; each family has its own. */
export type ModelOptions = Readonly<Record<string, number | string | boolean>>;

/** How photographs become a model's input where nothing else is said. */
export interface PhotoCustoms {
  /** Of each channel, on the 0..1 scale. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** The share of the resized picture's shorter side that the centre crop keeps in evaluation. */
  readonly cropPct: number;
}

/** The mean and the standard deviation of ImageNet's pixels; the paper's evaluation (section 2.1): the shorter side to 256, the centre 224. */
export const IMAGENET_PHOTOS: PhotoCustoms = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  cropPct: 224 / 256,
};

/** Pixels from -1 to 1, as TensorFlow's networks want them. */
export const PLUS_MINUS_ONE = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;

/** The model tweaks of section 4, each including the ones before it. */
export type TweakForm = "v1" | "b" | "c" | "d";

/** A network as one of the forms that the paper's Table 5 compares. */
export interface TweakedNetwork {
  /** What the forms are forms of: "ResNet-50". */
  readonly network: string;
  /** Whether a tweak changes anything: not in v1, nor in B where there is no 1x1 convolution for it. */
  readonly changed: boolean;
  /** The form's stem, path and shortcut in words, for people. */
  readonly detail: string;
  /** All forms' names in the registry. */
  readonly names: Readonly<Record<TweakForm, string>>;
}

/** A model of the registry: how it is built, and what other parts have to know about it before it is. */
export interface ModelEntry {
  readonly name: string;
  /** Height and width in pixels the model is made for. */
  readonly inputSize: number;
  /** Height and width in pixels below which it cannot compute. */
  readonly smallestInput: number;
  /** The same for training with these options, where that takes more. */
  readonly smallestTrainingInput?: (options: ModelOptions) => number;
  readonly photos: PhotoCustoms;
  /**
   * Paths of the layers that classify, each of which has a `weight` [classes, ...]: the network's own first, then auxiliary ones, which
   * only some options build. As timm's `classifier`.
   */
  readonly classifiers: readonly [string, ...string[]];
  /** What can be chosen about it, with the defaults. */
  readonly options: z.ZodObject;
  /** Whether it has residual blocks (`ResidualBlock`), which zero gamma needs. */
  readonly residual: boolean;
  /** The auxiliary classifier's path and the option that builds it, where there is one. */
  readonly auxiliary?: { readonly path: string; readonly option: string };
  /** Options that knack once had another default for: what files of then mean that do not name them. Defaults are timm's where it has the model. */
  readonly earlierDefaults?: ModelOptions;
  /** The name of the form for small images. */
  readonly small?: string;
  /** The name of the next deeper network of its kind. */
  readonly deeper?: string;
  readonly tweaks?: TweakedNetwork;
  /** A new model. @throws InputError where an option is unknown or impossible. */
  readonly build: (task: Task, options: ModelOptions) => Module;
}
