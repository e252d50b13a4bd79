/** What training does with a parameter. The layer that makes the parameter says it, so no list of layers has to know it. */
export interface ParameterRole {
  /** Whether it has weight decay where biases have none (no bias decay, section 3.1). */
  readonly decays: boolean;
  /** Whether it is 16 bit in low-precision training (section 3.2); else it stays float32. */
  readonly lowers: boolean;
  /** How it starts: drawn from Xavier's uniform distribution, or with the numbers that the layer made it with. */
  readonly starts: "xavier" | "as made";
}

/** What multiplies the input: the weight of a convolution or a fully connected layer. */
export const WEIGHT: ParameterRole = { decays: true, lowers: true, starts: "xavier" };

/** What is added to such a product. */
export const BIAS: ParameterRole = { decays: false, lowers: true, starts: "as made" };

/** A scale or a shift of a normalisation, which is computed in float32. */
export const NORM: ParameterRole = { decays: false, lowers: false, starts: "as made" };
