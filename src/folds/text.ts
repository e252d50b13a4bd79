import { type MetricDescription, valueText } from "../metrics/metric.js";
import { counted } from "../base/printable.js";
import type { FoldFigures, FoldsSummary } from "./summary.js";

/** A column of the table for people. */
export interface FoldsColumn {
  readonly title: string;
  readonly text: (fold: FoldFigures) => string;
  /** What stands below the folds. */
  readonly whole: string;
}

export function columnsOf({ metrics, images }: FoldsSummary): FoldsColumn[] {
  return [
    { title: "fold", text: ({ fold }) => String(fold), whole: "mean" },
    {
      title: "images",
      text: (fold) => (fold.diverged === null ? whole(fold.images) : "diverged"),
      whole: whole(images),
    },
    ...metrics.map((metric) => ({
      title: metric.title,
      text: (fold: FoldFigures) => textOf(metric, fold.metrics[metric.name]),
      whole: estimateText(metric),
    })),
    { title: "epoch", text: ({ epoch }) => (epoch === null ? "" : String(epoch)), whole: "" },
  ];
}

/** "91.50 % ± 1.20" */
export function estimateText(metric: FoldsSummary["metrics"][0]): string {
  const { mean, ci95, form } = metric;
  if (ci95 === null) return valueText(metric, mean);
  const half = (ci95[1] - ci95[0]) / 2;
  return `${valueText(metric, mean)} ± ${form === "percent" ? (100 * half).toFixed(2) : half.toFixed(4)}`;
}

/** What has to be said with the figures, a line each. */
export function remarksOf({ folds, images }: FoldsSummary): string[] {
  const unread = folds.reduce((sum, fold) => sum + fold.unread, 0);
  return [
    `each fold is measured by a network that was trained on the others, ${whole(images)} images in all`,
    "± is half the 95 % interval of the mean over folds (Student t); folds share most of what they train on, so it is rather too narrow",
    ...(unread > 0 ? [`${counted(unread, "picture")} that cannot be read left out`] : []),
    ...folds.flatMap(({ fold, diverged }) => (diverged === null ? [] : [`fold ${fold}: ${diverged}`])),
  ];
}

function textOf(metric: MetricDescription, value: number | undefined): string {
  return value === undefined ? "" : valueText(metric, value);
}

function whole(value: number): string {
  return value.toLocaleString("en");
}
