import type { Interval } from "../../metrics/bootstrap.js";
import { loss } from "../../metrics/loss.js";
import { type MetricDescription, type MetricFacts, type MetricValues, valueText } from "../../metrics/metric.js";
import type { Truth } from "../../metrics/outcomes.js";
import { html } from "../../pages/html.js";
import { type Section, table } from "../../pages/page.js";
import { unbroken } from "../figures-text.js";

type Intervals = ReadonlyMap<string, Interval>;

/** A figure of the page's head. */
export interface Figure {
  readonly name: string;
  readonly value: string;
  /** Where chance in the choice of the images would leave it. */
  readonly interval?: string | undefined;
}

/** Beside the metrics that lines have and the one that decides on the best epoch. */
const IN_HEADLINE = ["macro-f1", "ece"];

/** The figures that the page begins with. */
export function headline(
  shown: readonly MetricFacts[],
  select: string,
  metrics: MetricValues,
  intervals: Intervals,
): Figure[] {
  return shown
    .filter(({ name, brief }) => brief || name === select || IN_HEADLINE.includes(name))
    .map((metric) => ({
      name: metric === loss ? "NLL (nats)" : metric.title,
      value: textOf(metric, metrics[metric.name]),
      interval: intervalText(metric, intervals),
    }));
}

/** All that says anything, with intervals, and why what has no value has none. */
export function metricsSection(
  all: readonly MetricFacts[],
  truth: Truth,
  metrics: MetricValues,
  intervals: Intervals,
): Section {
  const cells = (metric: MetricFacts) => {
    const reason = metric.undefinedFor?.(truth);
    const value = reason === undefined ? textOf(metric, metrics[metric.name]) : "–";
    return { value, meaning: reason === undefined ? metric.meaning : `left out: ${reason}` };
  };
  const body = html`<p class="remarks">95 % interval: between which values the figure is on as many images drawn from these anew, with repeats (percentile
bootstrap): how much of it may be chance in which images were held out. Training anew would give other weights; that is not in it. In brackets: scikit-learn's name.</p>${table(
    [
      { title: "metric", cell: ({ title }) => title },
      { title: "value", cell: (metric) => cells(metric).value, style: "right" },
      { title: "95 % interval", cell: (metric) => intervalText(metric, intervals) ?? "–", style: "right" },
      { title: "what it is", cell: (metric) => cells(metric).meaning, style: "meaning" },
    ],
    all.filter(({ saysAnythingFor }) => saysAnythingFor?.(truth.classes) !== false),
  )}`;
  return { title: "Metrics", body };
}

/** A value that no line breaks within; "–" where there is none. */
export function textOf(metric: MetricDescription, value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "–" : unbroken(valueText(metric, value));
}

/** "88.91 – 93.55 %" */
function intervalText(metric: MetricFacts, intervals: Intervals): string | undefined {
  const interval = intervals.get(metric.name);
  if (interval === undefined) return undefined;
  const [low, high] = interval.map((value) => valueText(metric, value)) as [string, string];
  return unbroken(`${low.replace(" %", "")} – ${high}`);
}
