import type { TableDocument } from "./table-document.js";
import { metricNamed } from "../../metrics/index.js";
import { loss } from "../../metrics/loss.js";
import type { MetricFacts } from "../../metrics/metric.js";
import { top1 } from "../../metrics/top-1.js";
import { deltaText, figuresText, lossText, paperText, verdictText } from "./cell-texts.js";
import type { RowSummary } from "./summary.js";

/** One column of the table for people. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  readonly text: (row: RowSummary) => string;
}

/** The columns of the terminal's, Markdown's and HTML's table. */
export function columnsOf({ rows, select }: TableDocument): Column[] {
  const metric = metricNamed(select);
  const paper: Column = { title: "paper", align: "right", text: paperText };
  const titleOf = ({ title, form }: MetricFacts) => (form === "percent" ? `${title} %` : title);
  const topOne: Column = { title: titleOf(top1), align: "right", text: (row) => figuresText(top1, row.top1) };
  const beside: Column = { title: `${loss.title} (difference)`, align: "right", text: lossText };
  return [
    { title: "row", align: "left", text: ({ row }) => row },
    { title: titleOf(metric), align: "right", text: ({ selected }) => figuresText(metric, selected) },
    { title: "difference", align: "right", text: ({ delta }) => deltaText(metric, delta) },
    { title: "verdict", align: "left", text: verdictText },
    { title: "best", align: "right", text: ({ best }) => figuresText(metric, best) },
    ...(metric === top1 ? [] : [topOne]),
    ...(metric === loss ? [] : [beside]),
    { title: "images/s", align: "right", text: ({ imagesPerSecond }) => rounded(imagesPerSecond) },
    { title: "s/run", align: "right", text: ({ seconds }) => duration(seconds) },
    ...(rows.some((row) => row.paper !== null) ? [paper] : []),
  ];
}

function rounded(value: number | null): string {
  return value === null ? "–" : Math.round(value).toLocaleString("en");
}

function duration(seconds: number | null): string {
  return seconds === null || seconds >= 10 ? rounded(seconds) : seconds.toFixed(1);
}

/** What has to be said with the table, a line each. */
export function remarksOf(document: TableDocument): string[] {
  const { comparison, notes, seeds, rows, complete, finishedRuns, runs, trainShare, select } = document;
  const { title, form, higherIsBetter } = metricNamed(select);
  const compared = rows.filter(({ verdict }) => verdict !== null).length;
  const papers = rows.flatMap(({ paper }) => (paper === null ? [] : [paper]));
  return [
    ...(complete ? [] : [`PARTIAL: ${finishedRuns} of ${runs} runs are finished; the figures may change`]),
    `${title} is that of the last epoch; that of the best epoch (of equal ones the later) is somewhat too good, because the same images choose it`,
    `differences are ${form === "percent" ? "in percentage points, " : ""}paired by seed${higherIsBetter ? "" : ", and what is lower is better"}: ${comparison}`,
    ...(select === loss.name
      ? []
      : [
          "the validation loss (nats, lower is better) often tells rows apart where shares cannot; label smoothing and mixup change it by themselves",
        ]),
    seeds.length === 1
      ? "one seed shows no spread, so there are no intervals and every verdict is unclear; give --seeds 3 or more"
      : `± is half the 95 % interval over ${seeds.length} seeds (Student t); a row helps or hurts where that of its difference excludes 0`,
    ...(seeds.length > 1 && compared > 1
      ? [`a trick that changes nothing is still said to help or hurt once in 20 times; here are ${compared} verdicts`]
      : []),
    ...(rows.some(({ seedsToTell }) => seedsToTell !== null)
      ? ["unclear (n): n seeds could tell a difference like the observed one (power 80 %)"]
      : []),
    ...(trainShare < 1 ? [`trained on ${tidyPercent(trainShare)} of each class's training images`] : []),
    ...rows.flatMap(({ row, diverged }) => diverged.map(({ seed, message }) => `${row}, seed ${seed}: ${message}`)),
    ...notes,
    ...(papers.length > 0 ? [paperRemark(papers.some(({ read }) => !read))] : []),
  ];
}

function paperRemark(someRecalled: boolean): string {
  const from = "paper: top-1 of ResNet-50 on ImageNet (arXiv 1812.01187)";
  return someRecalled ? `${from}; those with ~ are recalled, not read in the paper` : from;
}

function tidyPercent(share: number): string {
  return `${Number((100 * share).toPrecision(4))} %`;
}
