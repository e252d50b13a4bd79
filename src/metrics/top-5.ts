import { topK } from "./top-k.js";

/** The share of the images whose label is among the first five classes: the second figure of ImageNet, which has 1,000. */
export const top5 = topK(5);
