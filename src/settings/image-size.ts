import { value } from "./schema.js";

/** Height and width in pixels; a number is both. */
export type ImageSize = number | readonly [height: number, width: number];

const [LEAST, MOST] = [8, 4096];

const isPixels = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= LEAST && Number(value) <= MOST;

export const imageSizeWords = `pixels from ${LEAST} to ${MOST}, or height and width as 192x320`;

/** A recipe's `imageSize`. */
export const imageSize = value<ImageSize>(
  `null, ${imageSizeWords} by option, [192, 320] in a recipe`,
  (value) => isPixels(value) || (Array.isArray(value) && value.length === 2 && value.every(isPixels)),
);

export const RESIZE_MODES = ["crop", "pad", "squash"] as const;

/**
 * How a picture of another shape than a network's input becomes that: what sticks out of it is cut off, the whole lies in it with the rest filled,
 * or the whole is distorted to its shape.
 */
export type ResizeMode = (typeof RESIZE_MODES)[number];

/**
 * "192x320" -> [192, 320], height first as in [C, H, W] and torchvision's (height, width); "224" -> 224.
 *
 * @returns undefined where it is none
 */
export function readImageSize(text: string): ImageSize | undefined {
  const [, height, width = height] = /^\s*(\d+)(?:\s*[xX×]\s*(\d+))?\s*$/.exec(text) ?? [];
  const sides = [Number(height), Number(width)] as const;
  if (!sides.every(isPixels)) return undefined;
  return sides[0] === sides[1] ? sides[0] : sides;
}

/** [height, width]; undefined where nothing is said. */
export function sidesOf(size: ImageSize): readonly [height: number, width: number];
export function sidesOf(size: ImageSize | null): readonly [height: number, width: number] | undefined;
export function sidesOf(size: ImageSize | null): readonly [height: number, width: number] | undefined {
  if (size === null) return undefined;
  return typeof size === "number" ? [size, size] : size;
}

/** "224 pixels", "192 pixels high and 320 wide" */
export function sizeText(height: number, width: number): string {
  return height === width ? `${height} pixels` : `${height} pixels high and ${width} wide`;
}
