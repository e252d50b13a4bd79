import { quoted } from "../../../base/printable.js";
import { byCodePoint } from "../photos/code-point-order.js";

/** What programs write where there is no value. */
const MISSING = /^(|nan|null|n\/a|#n\/a|<na>)$/i;
const NUMBER = /^-?\d+(\.\d+)?$/;

export function isMissing(label: string): boolean {
  return MISSING.test(label);
}

/** The classes in the order of their indices: as numbers where all are, otherwise by code point. */
export function sortedClasses(labels: readonly string[]): string[] {
  const numbers = labels.every((label) => NUMBER.test(label));
  return labels.toSorted((a, b) => (numbers && Number(a) - Number(b)) || byCodePoint(a, b));
}

/** What is odd about the names of classes, for people. */
export function oddLabels(classes: readonly string[]): string[] {
  const notes: string[] = [];
  const alike = new Map<string, string[]>();
  for (const name of classes) {
    const key = name
      .toLowerCase()
      .replace(/[\s_-]+/g, "")
      .replace(/^0+(?=\d)/, "");
    alike.set(key, [...(alike.get(key) ?? []), name]);
  }
  const same = [...alike.values()].find((names) => names.length > 1);
  if (same)
    notes.push(`the classes ${same.map((name) => quoted(name)).join(" and ")} differ in case, spaces or zeros only`);

  const known = new Set(classes);
  const several = classes.filter((name) => {
    const parts = name.split(/\s*[|;,/+]\s*|\s+/);
    return parts.length > 1 && parts.every((part) => known.has(part));
  });
  if (several.length > 0) {
    notes.push(`${quoted(several[0])} looks like several labels of one picture, and is taken for a class`);
  }
  return notes;
}
