import type { RowSummary, SeedFigures } from "./summary.js";

/** "54.32", or "–" where there is nothing. */
export function percentText(figures: SeedFigures | null): string {
  return figures === null ? "–" : points(figures.mean);
}

/** Half the width of the interval: "± 0.41"; nothing where there is none. */
export function plusMinus(figures: SeedFigures | null): string {
  const [low, high] = figures?.ci95 ?? [];
  return low === undefined || high === undefined ? "" : ` ± ${points((high - low) / 2)}`;
}

/** A difference in percentage points: "+0.52 ± 0.38". */
export function deltaText(delta: SeedFigures | null): string {
  if (delta === null) return "–";
  return `${delta.mean < 0 ? "−" : "+"}${points(Math.abs(delta.mean))}${plusMinus(delta)}`;
}

/** "helps", "hurts", or "unclear (7)": seven seeds could tell. */
export function verdictText({ verdict, seedsToTell, diverged }: RowSummary): string {
  const broken = diverged.length > 0 ? `diverged (seed ${diverged.map(({ seed }) => seed).join(", ")})` : "";
  const unclear = seedsToTell === null ? "unclear" : `unclear (${seedsToTell})`;
  return [verdict === "unclear" ? unclear : verdict, broken].filter(Boolean).join("; ") || "–";
}

/** The paper's figure; "~" before one that is only recalled. */
export function paperText({ paper }: RowSummary): string {
  return paper === null ? "–" : `${paper.read ? "" : "~"}${points(paper.top1)}`;
}

/** Two decimals of a percentage. */
export function points(fraction: number): string {
  return (100 * fraction).toFixed(2);
}
