import { InputError } from "../base/errors.js";
import { metricsFor } from "../metrics/index.js";
import { descriptionOf } from "../metrics/metric.js";
import type { Trainer } from "../training/trainer.js";
import type { AuditEvent } from "./events.js";

/**
 * What each trick of the recipe touched in this run, found by looking at the model, the groups and the schedule rather than
 * at the recipe.
 *
 * @throws InputError where a trick was asked for and changed nothing.
 */
export function audit(trainer: Trainer, run: string): AuditEvent {
  const { recipe, data, schedule, stepsPerEpoch, model } = trainer;
  const tricks = trainer.audit();
  const idle = tricks.find(({ asked, touched }) => asked && touched === 0);
  if (idle) throw new InputError(`${idle.trick} was asked for and changed nothing: ${idle.detail}`);
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
    metrics: metricsFor(data.train.classes.length).map(descriptionOf),
  };
}
