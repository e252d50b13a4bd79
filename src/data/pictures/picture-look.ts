import type { Intensity } from "./deep-picture.js";
import { openPicture, readPixels } from "./picture.js";

/** A picture is looked at as a grid of so many cells a side, */
const SIDE = 9;
const CELLS = SIDE * SIDE;
/** each the mean of so many pixels a side: fewer are not the same ones in a copy of another size. */
const PIXELS = 8;
/** Bytes of a look: the cells' brightness, and the mean of each colour. */
export const LOOK_BYTES = CELLS + 3;

/**
 * What a picture looks like from afar: the brightness of 9 x 9 cells, and its mean colour. It changes little when a picture is saved
 * anew, resized, or made a little brighter.
 *
 * @throws as `decodePicture`
 */
export async function pictureLook(bytes: Uint8Array, intensity?: Intensity): Promise<Uint8Array> {
  const picture = await openPicture(bytes, { intensity });
  // libvips decodes no more of a JPEG than so few pixels need.
  const pipeline = picture.pipeline.resize(SIDE * PIXELS, SIDE * PIXELS, { fit: "fill", kernel: "linear" });
  const { pixels: data, channels } = await readPixels({ ...picture, pipeline });
  const cells = new Float64Array(CELLS);
  const colours = [0, 0, 0];
  for (let at = 0, pixel = 0; at < data.length; at += channels, pixel++) {
    const [row, column] = [Math.floor(pixel / (SIDE * PIXELS)), pixel % (SIDE * PIXELS)];
    const cell = Math.floor(row / PIXELS) * SIDE + Math.floor(column / PIXELS);
    for (const [channel, weight] of LUMINANCE.entries()) {
      const value = data[at + channel] as number;
      cells[cell] = (cells[cell] as number) + weight * value;
      colours[channel] = (colours[channel] as number) + value;
    }
  }
  const means = [...cells.map((sum) => sum / PIXELS ** 2), ...colours.map((sum) => sum / (CELLS * PIXELS ** 2))];
  return Uint8Array.from(means, Math.round);
}

/** What red, green and blue add to brightness. */
const LUMINANCE = [0.299, 0.587, 0.114];

/** The words of a look's hash, of 16 bits each. */
export const HASH_WORDS = 9;

/** Below such a difference two cells count as equally bright: noise of the encoding. */
const LEAST = 2;

/**
 * The difference hash of a look: for each cell whether the one to the right is brighter, and the one below. Neighbouring bits are in
 * different words, so that a plain background does not make whole words equal.
 */
export function lookHash(looks: Uint8Array, start: number, into: Uint16Array): void {
  into.fill(0);
  let bit = 0;
  const add = (from: number, to: number) => {
    const isBrighter = (looks[start + to] as number) - (looks[start + from] as number) >= LEAST;
    const word = bit % HASH_WORDS;
    if (isBrighter) into[word] = (into[word] as number) | (1 << Math.floor(bit / HASH_WORDS));
    bit++;
  };
  for (let row = 0; row < SIDE; row++)
    for (let column = 0; column + 1 < SIDE; column++) add(row * SIDE + column, row * SIDE + column + 1);
  for (let row = 0; row + 1 < SIDE; row++)
    for (let column = 0; column < SIDE; column++) add(row * SIDE + column, (row + 1) * SIDE + column);
}

/** Least correlation of the cells' brightness, and most of what is left between them when contrast and brightness are made the same. */
const CORRELATION = 0.98;
const MOST_LEFT = 4;
/** Levels that the tint of copies differs by at most: of a stronger colour. */
const MOST_TINT = 20;
/** Below this standard deviation a picture is plain: it has nothing but its colour. */
const PLAIN = 4;

/** Whether two looks are those of one picture, but for brightness, contrast and colour that differ a little. */
export function isSameLook(looks: Uint8Array, a: number, b: number): boolean {
  const [means, colours] = [
    [a, b].map((start) => meanOf(looks, start)),
    [0, 1, 2].map((channel) => [a, b].map((start) => looks[start + CELLS + channel] as number)),
  ] as [[number, number], [number, number][]];
  let [squaresA, squaresB, products] = [0, 0, 0];
  for (let cell = 0; cell < CELLS; cell++) {
    const [one, other] = [(looks[a + cell] as number) - means[0], (looks[b + cell] as number) - means[1]];
    squaresA += one * one;
    squaresB += other * other;
    products += one * other;
  }
  const [least, most] = [Math.min(squaresA, squaresB), Math.max(squaresA, squaresB)].map((sum) => sum / CELLS);
  if ((least as number) < PLAIN ** 2) {
    return (most as number) < PLAIN ** 2 && colours.every(([one, other]) => Math.abs(one - other) < PLAIN);
  }
  const correlation = products / Math.sqrt(squaresA * squaresB);
  const left = Math.sqrt((1 - correlation ** 2) * (most as number));
  const tint = colours.every(([one, other]) => Math.abs(one - means[0] - (other - means[1])) <= MOST_TINT);
  return correlation >= CORRELATION && left <= MOST_LEFT && tint;
}

function meanOf(looks: Uint8Array, start: number): number {
  let sum = 0;
  for (let cell = 0; cell < CELLS; cell++) sum += looks[start + cell] as number;
  return sum / CELLS;
}
