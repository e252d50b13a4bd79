import { Module } from "../nn/module.js";
import type { Tensor } from "../tensor/tensor.js";

/** The share of an auxiliary classifier in the loss (Szegedy et al. 2015's, as torchvision trains with). */
export const AUXILIARY_WEIGHT = 0.4;

/** A network that may have a second classifier half-way, which only training uses (Szegedy et al. 2015, section 4). */
export abstract class AuxiliaryNetwork extends Module {
  /** Both classifiers' logits [N, classes]; without an auxiliary classifier or in evaluation mode the second is undefined. */
  abstract forwardWithAuxiliary(images: Tensor): { logits: Tensor; auxiliary: Tensor | undefined };
}
