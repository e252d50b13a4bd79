import { atLeastZero } from "../../settings/schema.js";
import type { Random } from "../../tensor/random.js";
import type { Augmenter } from "./augmenter.js";

/** ImageNet's principal components of colour, on the 0..255 scale (Krizhevsky et al. 2012): columns of vectors, and their values. */
const EIGENVALUES = [55.46, 4.794, 1.148] as const;
const EIGENVECTORS = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
] as const;

const settings = {
  /** Standard deviation of the PCA noise's coefficients. */
  lighting: atLeastZero,
};

/** PCA noise on photographs, with coefficients from N(0, lighting) (section 2.1 of the paper), drawn also where lighting is 0. */
export const lighting: Augmenter<typeof settings> = {
  settings,
  defaults: { lighting: 0.1 },
  switches: [
    {
      flags: "--lighting <sigma>",
      help: "photographs: PCA noise",
      key: "augmentation.lighting",
      reads: "number",
    },
  ],
  photograph(change, { lighting }, random) {
    const noise = EIGENVALUES.map((value) => value * lighting * normal(random));
    const shift = EIGENVECTORS.map((row) => row.reduce((sum, each, i) => sum + each * (noise[i] as number), 0));
    change.colours = { ...change.colours, shift: shift as [number, number, number] };
  },
};

/** Box-Muller. */
function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}
