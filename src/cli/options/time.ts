import { InputError } from "../../base/errors.js";

/** Seconds of a time as people write it: "1h30m" -> 5400. @throws InputError naming the option */
export function secondsOf(option: string, text: string): number {
  const [, hours = 0, minutes = 0, seconds = 0] =
    /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text) ?? [];
  const total = 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
  if (total > 0) return total;
  throw new InputError(`${option}: must be a time such as 2h, 90m, 45s or 1h30m, not "${text}"`);
}
