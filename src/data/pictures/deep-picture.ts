import type { Sharp } from "./sharp.js";

/** Of 256 levels: a picture that lies in so few of them at one end is black or white to the eye, and to a network. */
const LEVELS = 16;

/** What 16-bit and floating-point pictures hold, where 8 bits would show nothing of it. */
export interface LostRange {
  readonly min: number;
  readonly max: number;
  /** What it would become. */
  readonly colour: "black" | "white";
}

/**
 * The range of a picture's values where its conversion to 8 bits makes it black or white, though they differ: twelve bits in sixteen, floats
 * from 0 to 1, signed numbers of a scanner. Undefined for all others.
 *
 * @param original the picture as it is stored
 * @param converted the same in 8 bits
 */
export async function lostRange(original: Sharp, converted: Sharp): Promise<LostRange | undefined> {
  const { channels } = await original.stats();
  const [min, max] = [Math.min(...channels.map((each) => each.min)), Math.max(...channels.map((each) => each.max))];
  if (!(max > min)) return undefined; // a picture of one colour may be black
  const levels = await converted.raw().toBuffer();
  let [least, most] = [255, 0];
  for (const level of levels) [least, most] = [Math.min(least, level), Math.max(most, level)];
  if (most < LEVELS) return { min, max, colour: "black" };
  return least >= 256 - LEVELS ? { min, max, colour: "white" } : undefined;
}
