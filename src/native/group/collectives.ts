import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { KnackError } from "../../base/errors.js";

let loaded = false;

/** Registers the operators "knack::…" of training by several processes (addon.cc) with libtorch, once. @throws KnackError where they were not built */
export function loadCollectives(): void {
  if (loaded) return;
  const why = whyNotBuilt();
  if (why !== undefined) throw new KnackError(`training by several processes is not built here: ${why}`);
  try {
    createRequire(import.meta.url)("../../../../build/dist.node");
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n", 1);
    throw new KnackError(`the addon for several processes does not load: ${reason}: run \`npm run setup\``, { cause });
  }
  loaded = true;
}

/** What scripts/build-addon.mjs noted where it could not build them; undefined where it did. */
export function whyNotBuilt(): string | undefined {
  try {
    const record = JSON.parse(readFileSync(new URL("../../../../build/addon.json", import.meta.url), "utf8"));
    return record.withoutProcesses ?? undefined;
  } catch {
    return undefined; // then nothing of knack is built, which is said elsewhere
  }
}
