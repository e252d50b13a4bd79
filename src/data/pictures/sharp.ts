import sharp = require("sharp");

/** sharp as one file after the other: as a module, its files are all opened at once, in every thread that loads it. */
export default sharp;
export type Sharp = sharp.Sharp;
export type SharpOptions = sharp.SharpOptions;
export type OverlayOptions = sharp.OverlayOptions;
