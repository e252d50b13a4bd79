import { loss } from "../../metrics/loss.js";
import type { MetricDescription } from "../../metrics/metric.js";
import type { RowSummary, SeedFigures } from "./summary.js";

/** A metric's figures: "54.32 ± 0.41" of percents, "0.3021 ± 0.0102" of numbers; "–" where there are none. */
export function figuresText(metric: MetricDescription, figures: SeedFigures | null): string {
  return figures === null ? "–" : amount(metric, figures.mean) + plusMinus(metric, figures);
}

/** A difference, in percentage points where the metric is a share: "+0.52 ± 0.38". */
export function deltaText(metric: MetricDescription, delta: SeedFigures | null): string {
  if (delta === null) return "–";
  return `${delta.mean < 0 ? "−" : "+"}${amount(metric, Math.abs(delta.mean))}${plusMinus(metric, delta)}`;
}

/** The loss beside another metric, with its difference: "0.3021 (−0.0110 ± 0.0042)". */
export function lossText({ loss: own, lossDelta }: RowSummary): string {
  if (own === null) return "–";
  return `${amount(loss, own.mean)}${lossDelta === null ? "" : ` (${deltaText(loss, lossDelta)})`}`;
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
function points(fraction: number): string {
  return (100 * fraction).toFixed(2);
}

/** A value, or a difference of values, without its unit. */
function amount({ form }: MetricDescription, value: number): string {
  return form === "percent" ? points(value) : value.toFixed(4);
}

/** Half the width of the interval: " ± 0.41"; nothing where there is none. */
function plusMinus(metric: MetricDescription, { ci95 }: SeedFigures): string {
  return ci95 === null ? "" : ` ± ${amount(metric, (ci95[1] - ci95[0]) / 2)}`;
}
