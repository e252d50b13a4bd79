/** Pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

/** A part of a picture, in its pixels. */
export interface CropBox extends PictureSize {
  readonly left: number;
  readonly top: number;
}

/** A decoded picture. */
export interface Picture extends PictureSize {
  /** [height, width, channels] uint8: sRGB where there are three, unless they are bands that were asked for */
  readonly pixels: Uint8Array;
  readonly channels: number;
}
