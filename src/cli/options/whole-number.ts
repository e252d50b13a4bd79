import { InputError } from "../../base/errors.js";

/** An option's argument. @throws InputError where it is no whole number, or a smaller one */
export function wholeNumber(option: string, text: string, least: number): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(number) && number >= least) return number;
  throw new InputError(`${option}: must be a whole number, at least ${least}, not "${text}"`);
}
