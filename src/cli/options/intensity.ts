import type { Intensity } from "../../data/pictures/deep-picture.js";
import { InputError } from "../../base/errors.js";

/** "0,4095" -> [0, 4095]. @throws InputError where it is not two numbers, the lower one first */
export function intensityFrom(text: string | undefined): Intensity | undefined {
  if (text === undefined) return undefined;
  const [black, white, ...more] = text.split(",").map((each) => (each.trim() === "" ? Number.NaN : Number(each)));
  if (
    black !== undefined &&
    white !== undefined &&
    more.length === 0 &&
    black < white &&
    Number.isFinite(white - black)
  ) {
    return [black, white];
  }
  throw new InputError(`--intensity: must be two numbers, black and white, such as 0,4095, not "${text}"`);
}
