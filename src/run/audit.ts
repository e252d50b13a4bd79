import { InputError } from "../base/errors.js";
import { metricNamed, metricsFor, whyNot } from "../metrics/index.js";
import { descriptionOf } from "../metrics/metric.js";
import { top1 } from "../metrics/top-1.js";
import type { Truth } from "../metrics/outcomes.js";
import { listed } from "../settings/schema.js";
import type { Task } from "../tasks/task.js";
import { selectFor } from "../tricks/trick.js";
import type { Trainer } from "../training/trainer.js";
import type { AuditEvent } from "./events.js";

/**
 * What each trick of the recipe touched in this run, found by looking at the model, the groups and the schedule rather than
 * at the recipe.
 *
 * @throws InputError where a trick was asked for and changed nothing, or the best epoch is to be told by what has no value for these images.
 */
export function audit(trainer: Trainer, run: string): AuditEvent {
  const { recipe, data, schedule, stepsPerEpoch, model, task } = trainer;
  const tricks = trainer.audit();
  const idle = tricks.find(({ asked, touched }) => asked && touched === 0);
  if (idle) throw new InputError(`${idle.trick} was asked for and changed nothing: ${idle.detail}`);
  const { labels, labelSets } = data.validation;
  const truth = { classes: data.train.classes.length, labels, labelSets };
  const select = selectFor(recipe, data.train);
  requireSelectable(select, truth, task);
  const { engine, whyPlain, inLibtorch } = trainer.computedBy;
  return {
    type: "audit",
    run,
    model: recipe.model,
    parameters: [...model.parameters()].reduce((sum, [, parameter]) => sum + parameter.size, 0),
    data: data.description,
    epochs: recipe.epochs,
    stepsPerEpoch,
    batchSize: recipe.batchSize,
    peakLr: schedule.peak,
    precision: trainer.precision,
    engine,
    ...(whyPlain !== undefined && { whyPlain }),
    ...(inLibtorch.length > 0 && { inLibtorch }),
    tricks,
    ...(task.name === "multi-label" && { task: task.name }),
    metrics: metricsFor(truth).map(descriptionOf),
    select,
  };
}

/** Found before the first epoch is trained. */
function requireSelectable(select: string, truth: Truth, { metrics, words }: Task): void {
  const isOfTask = metrics.some(({ name }) => name === select);
  const reason = isOfTask ? whyNot(metricNamed(select, metrics), truth) : `it is not measured of ${words}`;
  if (reason === undefined || (isOfTask && select === top1.name)) return; // top-1 every evaluation has, of one class too
  const others = metricsFor(truth).map(({ name }) => name);
  throw new InputError(
    `select (--select): ${select} cannot decide on the best epoch: ${reason}; there are ${listed(others)}`,
  );
}
