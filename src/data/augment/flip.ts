import { flag } from "../../settings/schema.js";
import type { Random } from "../../tensor/random.js";
import type { Augmenter } from "./augmenter.js";

const settings = {
  /** Whether images are mirrored left to right with probability 1/2. */
  flip: flag,
};

/** torchvision's RandomHorizontalFlip(). Draws only where it is on. */
export const flip: Augmenter<typeof settings> = {
  settings,
  defaults: { flip: true },
  switches: [
    { flags: "--flip", help: "flip images at random", key: "augmentation.flip", value: true },
    { flags: "--no-flip", help: "never flip images", key: "augmentation.flip", value: false },
  ],
  photograph: draw,
  smallImage: draw,
};

function draw(change: { mirrored: boolean }, { flip }: { readonly flip: boolean }, random: Random): void {
  change.mirrored = flip && random.uniform() < 0.5;
}
