import { nullOr, number } from "./schema.js";

/** What libvips gives of a picture. */
export const MOST_CHANNELS = 5;

/** A recipe's `channels`. */
export const channels = nullOr(
  number(`null or a number of channels from 1 to ${MOST_CHANNELS}`, (value) => isChannels(value)),
);

export function isChannels(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_CHANNELS;
}

/**
 * What belongs to each channel, for another number of channels: their mean for one, else the same again in turn, as weights are
 * taken (`weights/adapt-channels.ts`).
 */
export function forChannels(values: readonly number[], channels: number): number[] {
  if (values.length === channels) return [...values];
  if (channels === 1) return [values.reduce((sum, value) => sum + value, 0) / values.length];
  return Array.from({ length: channels }, (_, i) => values[i % values.length] as number);
}
