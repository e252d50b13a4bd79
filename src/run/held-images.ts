import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemReason } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import type { HeldImages } from "../data/split-options.js";
import { z } from "../settings/zod.js";

/** A file of names each, in a run's folder; without validation.json its data set says itself what is for what. */
export const HELD_PARTS = ["validation", "test", "unused"] as const;

const names = z.array(z.string());

/**
 * What a run holds out, as its files say.
 *
 * @throws InputError where one of them is broken
 */
export function readHeld(folder: string): HeldImages | undefined {
  const [validation, test, unused] = HELD_PARTS.map((part) => readNames(join(folder, `${part}.json`)));
  return validation && { validation, test, unused };
}

function readNames(file: string): string[] | undefined {
  if (!existsSync(file)) return undefined;
  const found = names.safeParse(read(file)).data;
  if (found === undefined) throw new InputError(`cannot read ${file}: it is no list of names`);
  return found;
}

function read(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
  }
}
