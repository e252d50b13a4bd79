import type { MetricValues } from "../metrics/metric.js";
import type { DoneEvent, EpochEvent } from "./events.js";

/** The fields that events have for the metrics knack 0.1.0 knew. Metrics since then have none: they are in `metrics`, by name. */
export type MetricFields = Pick<DoneEvent, "top1" | "top5" | "validationLoss">;

export function fieldsOf(metrics: MetricValues): MetricFields {
  const { "top-1": top1 = Number.NaN, "top-5": top5 = Number.NaN, loss = Number.NaN } = metrics;
  return { top1, top5, validationLoss: loss };
}

/** An event's values by metric name: what its fields hold, and all where it says so itself. Epochs of 0.1.0 have only the fields. */
export function metricsOf(event: EpochEvent | DoneEvent): MetricValues {
  const { top1, top5, validationLoss } = event;
  const others = "metrics" in event ? event.metrics : {};
  return { "top-1": top1, "top-5": top5, loss: validationLoss, ...others };
}
