import type { MetricDescription, MetricValues } from "../metrics/metric.js";
import type { DoneEvent, EpochEvent, TrainEvent } from "./events.js";

/** The fields that events have for the metrics knack 0.1.0 knew. Metrics since then have none: they are in `metrics`, by name. */
export type MetricFields = Pick<DoneEvent, "top1" | "top5" | "validationLoss">;

export function fieldsOf(metrics: MetricValues): MetricFields {
  const { "top-1": top1 = Number.NaN, "top-5": top5 = Number.NaN, loss = Number.NaN } = metrics;
  return { top1, top5, validationLoss: loss };
}

/** An event's values by metric name: what its fields hold, and all where it says so itself. Those of early versions have only the fields. */
export function metricsOf(event: EpochEvent | DoneEvent): MetricValues {
  const { top1, top5, validationLoss, metrics } = event;
  return { "top-1": top1, "top-5": top5, loss: validationLoss, ...metrics };
}

/** What decides on a run's best epoch, as it went on last; undefined of runs of early versions, where it was top-1. */
export function selectedOf(events: readonly TrainEvent[]): MetricDescription | undefined {
  const audit = events.find((event) => event.type === "audit");
  const changes = events.flatMap((event) => (event.type === "changed" ? event.changes : []));
  const select = changes.findLast(({ place }) => place === "select")?.is ?? audit?.select;
  return audit?.metrics.find(({ name }) => name === select);
}
