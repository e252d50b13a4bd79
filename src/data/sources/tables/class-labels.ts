import { quoted } from "../../../base/printable.js";
import { byCodePoint } from "../photos/code-point-order.js";

/** What programs write where there is no value. */
const MISSING = /^(|-?nan|null|#null!|n\/a|n\.a\.|#n\/?a|<na>)$/i;
/** What may be a class, or stand for no value. */
const PERHAPS_MISSING = /^(none|[-?.]+)$/i;
const NUMBER = /^-?\d+(\.\d+)?$/;

/** Words of classes that are sets of labels: most of them are in several. */
const MOSTLY_SHARED = 0.75;

export function isMissing(label: string): boolean {
  return MISSING.test(label) || label === "NA"; // "Na" is sodium
}

/** The classes in the order of their indices: as numbers where all are, otherwise by code point. */
export function sortedClasses(labels: readonly string[]): string[] {
  const numbers = labels.every((label) => NUMBER.test(label));
  return labels.toSorted((a, b) => (numbers && Number(a) - Number(b)) || byCodePoint(a, b));
}

/** What is odd about the names of classes, for people. @param areSets whether a picture may have several */
export function oddLabels(classes: readonly string[], areSets = false): string[] {
  const notes: string[] = [];
  const alike = new Map<string, string[]>();
  for (const name of classes) {
    const key = NUMBER.test(name) ? String(Number(name)) : plain(name);
    alike.set(key, [...(alike.get(key) ?? []), name]);
  }
  const same = [...alike.values()].find((names) => names.length > 1);
  if (same) {
    const names = same.map((name) => visible(name)).join(" and ");
    notes.push(`the classes ${names} differ in case, spaces, hyphens, zeros or invisible characters only`);
  }
  const several = areSets ? undefined : severalLabels(classes);
  if (several !== undefined) {
    notes.push(
      `${quoted(several)} looks like several labels of one picture, and is taken for a class: --multi-label tells them apart`,
    );
  }
  const missing = classes.find((name) => PERHAPS_MISSING.test(name));
  if (missing !== undefined) notes.push(`${quoted(missing)} is taken for a class: if it stands for no label, empty it`);
  return notes;
}

/** A name without what people overlook in it. A hyphen before a number or between two is none of that. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/\p{Default_Ignorable_Code_Point}|\s+|(?<!^|\d)[_-]+|[_-]+(?!\d)/gu, "")
    .replace(/^0+(?=\d)/, "");
}

/** Quoted, with what has no shape of its own as a code: "cat\u200b". */
function visible(name: string): string {
  const code = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return quoted(name).replace(/\p{Default_Ignorable_Code_Point}|(?! )\p{Zs}/gu, code);
}

/** Of classes one that may be several labels: of other classes, by a separator that names do not have, or of words that most classes share. */
export function severalLabels(classes: readonly string[]): string | undefined {
  const known = new Set(classes);
  const parts = classes.map((name) => name.split(/\s*[|;,/+]\s*|\s+/).filter((part) => part !== ""));
  const several = classes.filter((_, at) => (parts[at] as string[]).length > 1);
  const ofKnown = several.find((name) => parts[classes.indexOf(name)]?.every((part) => known.has(part)));
  if (ofKnown !== undefined) return ofKnown;
  const separated = classes.filter((name) => /[^|;]\s*[|;]\s*[^|;]/.test(name));
  if (separated.length > 1) return separated[0];
  // "clear primary", "haze primary water", …: any number of few words.
  const uses = new Map<string, number>();
  for (const part of parts.flat()) uses.set(part, (uses.get(part) ?? 0) + 1);
  const shared = [...uses.values()].filter((count) => count > 1).length;
  const lengths = new Set(parts.map(({ length }) => length));
  const few = uses.size < classes.length && shared >= MOSTLY_SHARED * uses.size;
  return few && lengths.size > 1 ? several[0] : undefined;
}
