/** 0.12345 -> "12.35 %", which no line breaks within */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(2)}\u00a0%`;
}

/** A figure with its unit, which no line breaks within. */
export function unbroken(text: string): string {
  return text.replaceAll(" ", "\u00a0");
}

/** 12345 -> "12,345" */
export function whole(value: number): string {
  return value.toLocaleString("en");
}

/** As `percent`, but never 0. */
export function smallPercent(fraction: number): string {
  return fraction < 0.00005 ? "below 0.01\u00a0%" : percent(fraction);
}

/** A JSON value in words: {"size": [2, 3.14159265], "fast": true} -> "size [2, 3.14159], fast yes" */
export function settingText(value: unknown): string {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === null) return "none";
  if (typeof value === "number")
    return String(Number(value.toPrecision(12)) === value ? value : Number(value.toPrecision(6)));
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return "none";
  if (Array.isArray(value)) return `[${value.map(settingText).join(", ")}]`;
  return entries.map(([key, inner]) => `${key} ${settingText(inner)}`).join(", ");
}
