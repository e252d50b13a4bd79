import { momentsOf } from "../tricks/running-tricks.js";
import type { Moments, Trick } from "../tricks/trick.js";
import { presets } from "../recipe/presets.js";

/** Moments that say nothing about what a trick does. */
const SILENT: readonly (keyof Moments)[] = ["checked", "built", "touched", "dispose"];

/** The tricks as a Markdown table, as the documents have it: what each is, its switches, at which moments of a run it acts. */
export function trickTable(tricks: readonly Trick[]): string {
  const rows = tricks.map((trick) => [
    trick.name,
    trick.summary,
    trick.section ?? "",
    switchesOf(trick),
    [...momentsOf(trick, presets.baseline)].filter((moment) => !SILENT.includes(moment)).join(", "),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const head = ["trick", "what", "section", "switches", "acts at"];
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function switchesOf({ switches }: Trick): string {
  return switches
    .map(({ flags }) => `\`${flags.replace(/[<[]([^>\]]*)[>\]]/, (_, argument: string) => argument.toUpperCase())}\``)
    .join(", ");
}
