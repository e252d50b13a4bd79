import { InputError } from "../../base/errors.js";
import { imageSizeWords, readImageSize, sidesOf } from "../../settings/image-size.js";

/** `--image-size` of the commands that have no recipe: [height, width]. @throws InputError where it is none */
export function imageSides(text: string): readonly [height: number, width: number] {
  const sides = sidesOf(readImageSize(text) ?? null);
  if (sides === undefined) throw new InputError(`--image-size: must be ${imageSizeWords}, not "${text}"`);
  return sides;
}
