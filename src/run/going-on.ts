/** How a run goes on otherwise than it began: longer, with other settings, or on other data. */
import { InputError } from "../base/errors.js";
import { digits } from "../base/printable.js";
import { type Difference, differences } from "../recipe/differences.js";
import { goingOn } from "../recipe/going-on.js";
import { learningRateSchedule } from "../recipe/learning-rate-schedule.js";
import { parseRecipe } from "../recipe/parse.js";
import type { Recipe } from "../recipe/recipe.js";
import type { Trick } from "../tricks/trick.js";
import type { ChangedEvent } from "./events.js";
import type { Position, RunState } from "./run-state.js";

/** What decides on the tensors that a checkpoint has. */
const FIXED = ["model", "modelOptions", "channels", "optimizer"];

/** What can be otherwise without a word: a run that goes on for longer, at another rate. */
const FREE = ["epochs", "lr"];

/** What the schedule of the learning rate comes from. */
const RATE = ["epochs", "lr", "schedule"];

export interface GoingOn {
  readonly recipe: Recipe;
  /** Where the run goes on in it. */
  readonly position: Position;
  /** For the run's history; undefined where nothing is otherwise. */
  readonly event: ChangedEvent | undefined;
}

export interface Asked {
  /** The recipe that it is to go on with. */
  readonly recipe: Recipe;
  /** Training images. */
  readonly images: number;
  /** How the data differ. */
  readonly data: readonly Difference[];
  readonly allowChanges: boolean;
  readonly ownTricks: readonly Trick[];
}

/**
 * What becomes of a run that goes on. A cosine is laid anew over the rest, from the rate it had or from a new `lr`; a step schedule goes on.
 *
 * @param run its folder, for messages
 * @throws InputError where it would go on otherwise than it is allowed to, with all differences
 */
export function goOn(
  run: string,
  state: RunState,
  { recipe: wished, images, data, allowChanges, ownTricks }: Asked,
): GoingOn {
  const was = state.recipe === undefined ? wished : parseRecipe(state.recipe, `${run}: the checkpoint's recipe`);
  // An option of the model that an earlier version did not write down is what the checkpoint says.
  const found = differences(was, wished).filter(
    ({ place, is }) => is !== undefined || !place.startsWith("modelOptions."),
  );
  const counted =
    state.trainImages === images ? [] : [{ place: "training images", was: state.trainImages, is: images }];
  const keys = new Set(found.map(({ place }) => place.split(".")[0] ?? ""));
  const ofData = data.length > 0 ? data : counted;
  refuse(run, found, ofData, keys, allowChanges);
  const stepsBefore = Math.floor(state.trainImages / was.batchSize);
  const stepsNow = Math.floor(images / wished.batchSize);
  const { epoch, stepInEpoch } = state.position;
  if (wished.epochs < epoch + (stepInEpoch > 0 ? 1 : 0)) {
    throw new InputError(`epochs (--epochs): ${run} is in epoch ${epoch + 1}, more than ${wished.epochs}`);
  }
  const position = stepsBefore === stepsNow ? state.position : inNewSteps(state.position, stepsBefore, stepsNow);
  const changes = [...found, ...ofData];
  if (changes.length === 0) return { recipe: wished, position, event: undefined };

  const stepOf = (at: Position, steps: number) => at.epoch * steps + at.stepInEpoch;
  const done = stepOf(state.position, stepsBefore);
  const had = learningRateSchedule(was, stepsBefore, ownTricks).at(Math.max(0, done - 1));
  const laidAnew = RATE.some((key) => keys.has(key)) && done > 0;
  const from = { epoch: epoch + stepInEpoch / stepsBefore, rate: keys.has("lr") ? null : had };
  const recipe = laidAnew ? goingOn(wished, from) : wished;
  const { at, totalSteps } = learningRateSchedule(recipe, stepsNow, ownTricks);
  const step = stepOf(position, stepsNow);
  const next = Math.min(step, totalSteps - 1);
  const { lrFactor } = state.counters;
  const lr = { was: had * lrFactor, is: at(next) * lrFactor, becomes: at(totalSteps - 1) * lrFactor };
  const event: ChangedEvent = {
    type: "changed",
    epoch: position.epoch,
    stepInEpoch: position.stepInEpoch,
    step,
    epochs: recipe.epochs,
    changes,
    lr,
  };
  return { recipe, position, event };
}

function refuse(
  run: string,
  found: readonly Difference[],
  data: readonly Difference[],
  keys: ReadonlySet<string>,
  allowChanges: boolean,
): void {
  const fixed = FIXED.filter((key) => keys.has(key));
  const shown = (list: readonly Difference[]) => list.map(differenceText).join("; ");
  if (fixed.length > 0) {
    const what = shown(found.filter(({ place }) => fixed.includes(place.split(".")[0] ?? "")));
    throw new InputError(`--resume: ${what}: that cannot change in a run; begin a new one with --init ${run}`);
  }
  const isLonger = keys.has("epochs") && [...keys].every((key) => FREE.includes(key));
  const refused = [...(isLonger ? [] : found), ...data];
  if (refused.length === 0 || allowChanges) return;
  throw new InputError(
    `--resume: ${run} would go on otherwise than it was trained: ${shown(refused)}; give --allow-changes where that is meant`,
  );
}

/** "lr was 0.1 and is 0.01" */
export function differenceText({ place, was, is }: Difference): string {
  return `${place} was ${shortly(was)} and is ${shortly(is)}`;
}

function shortly(value: unknown): string {
  if (typeof value === "number") return digits(value);
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "absent");
}

/** Where epochs have another number of steps now: one that was under way begins anew. */
function inNewSteps(position: Position, stepsBefore: number, stepsNow: number): Position {
  if (position.stepInEpoch === stepsBefore) return { ...position, stepInEpoch: stepsNow };
  return { ...position, stepInEpoch: 0, lossSum: 0, lossSteps: 0 };
}
