import { countOrZero } from "../../settings/schema.js";
import { requireInteger } from "../require-integer.js";
import type { Augmenter } from "./augmenter.js";

const settings = {
  /** Pixels of zeros put around a small image before a random window of its own size is cut out; 0 = no crop. */
  crop: countOrZero,
};

/**
 * torchvision's RandomCrop(size, padding=crop) for small images. Padding is 0 on the byte scale (black), before any normalising.
 * Draws the window's top and left in [0, 2 crop], only where there is padding.
 */
export const paddedCrop: Augmenter<typeof settings> = {
  settings,
  defaults: { crop: 4 },
  switches: [
    {
      flags: "--crop <pixels>",
      help: "small images: padding before a random crop, 0 for none",
      key: "augmentation.crop",
      reads: "number",
    },
  ],
  smallImage(change, { crop }, random) {
    if (crop === 0) return;
    change.down = random.integer(2 * crop + 1) - crop;
    change.right = random.integer(2 * crop + 1) - crop;
  },
  requireFit({ crop }, { height, width }) {
    const most = Math.min(height, width) - 1;
    requireInteger("augmentation.crop (--crop), the padding of the random crop,", crop, 0, most);
  },
};
