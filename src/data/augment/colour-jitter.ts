import { fraction } from "../../settings/schema.js";
import type { Augmenter } from "./augmenter.js";

const settings = {
  /** Hue, saturation and brightness each by a coefficient from 1 - jitter to 1 + jitter. */
  jitter: fraction,
};

/**
 * Hue, saturation and brightness of photographs by coefficients from U[1 - jitter, 1 + jitter] (section 2.1 of the paper), drawn in this
 * order, also where jitter is 0. A hue's coefficient c turns it by c - 1 of the circle, as torchvision's ColorJitter does.
 */
export const colourJitter: Augmenter<typeof settings> = {
  settings,
  defaults: { jitter: 0.4 },
  switches: [
    {
      flags: "--jitter <amount>",
      help: "photographs: hue, saturation and brightness by 1 - amount to 1 + amount",
      key: "augmentation.jitter",
      reads: "number",
    },
  ],
  photograph(change, { jitter }, random) {
    const coefficient = () => 1 + jitter * (2 * random.uniform() - 1);
    const [hue, saturation, brightness] = [coefficient() - 1, coefficient(), coefficient()];
    change.colours = { ...change.colours, hue, saturation, brightness };
  },
};
