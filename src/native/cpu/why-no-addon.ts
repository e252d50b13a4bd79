import { readFileSync } from "node:fs";

/** Why there is no addon of the fast engine here, in the words of scripts/build-addon.mjs. */
export function whyNoCpuAddon(): string {
  try {
    const record = JSON.parse(readFileSync(new URL("../../../../build/addon.json", import.meta.url), "utf8"));
    if (typeof record.withoutFastEngine === "string") return `it was not built, since ${record.withoutFastEngine}`;
  } catch {
    // The addon was built by other means.
  }
  return "build/cpu.node does not load: run npm run setup";
}
