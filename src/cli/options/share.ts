import { InputError } from "../../base/errors.js";

/** "10%" or "0.1" -> 0.1. @throws InputError where it is no share */
export function shareOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, number, percent] = /^(\d*\.?\d+) ?(%?)$/.exec(text.trim()) ?? [];
  const share = Number(number) / (percent ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  throw new InputError(`--max-bad-images: must be a share such as 10% or 0.1, not "${text}"`);
}
