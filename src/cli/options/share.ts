import { InputError } from "../../base/errors.js";

/** "10%" or "0.1" -> 0.1; what is no number stays text, for a schema to complain about. */
export function share(text: string): number | string {
  const [, number, percent] = /^(\d*\.?\d+) ?(%?)$/.exec(text.trim()) ?? [];
  return number === undefined ? text : Number(number) / (percent ? 100 : 1);
}

/** As `share`. @throws InputError where it is none */
export function shareOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = share(text);
  if (typeof value === "number" && value <= 1) return value;
  throw new InputError(`--max-bad-images: must be a share from 0 to 1, such as 0.1 or 10%, not "${text}"`);
}
