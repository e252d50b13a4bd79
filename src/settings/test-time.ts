/** Augmentation at test time: what is averaged of each picture. */
export const TTA_NAMES = ["flip", "five-crop"] as const;

/** The picture and its mirror image, or the four corners and the centre of the resized picture. */
export type Tta = (typeof TTA_NAMES)[number];
