import { InputError } from "../base/errors.js";

/** @throws InputError where the value of `what` is no integer in that range */
export function requireInteger(what: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new InputError(`${what} must be an integer from ${least} to ${most}, not ${value}`);
  }
}
