import { topK } from "./top-k.js";

/** The share of the images that are recognised. */
export const top1 = topK(1);
