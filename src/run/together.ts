/** A run that several processes train together: what they agree on, and how one learns of another's end. */
import type { Place } from "../base/launcher.js";
import { InputError } from "../base/errors.js";
import { VERSION } from "../base/version.js";
import { type Difference, differences } from "../recipe/differences.js";
import type { Recipe } from "../recipe/recipe.js";
import { describeEngine } from "../tensor/engine.js";
import { GroupError, ProcessGroup } from "../tensor/process-group.js";
import type { TrainEvent } from "./events.js";
import { dataDifferences, type TrainedClass } from "./trained-on.js";

/** How a process takes part. */
export interface Processes {
  readonly place: Place;
  /** Seconds after which a process that others wait for ends them all. */
  readonly timeout: number;
}

/**
 * Runs `body` as one of the processes of a group. Where it fails, the others are told why; a run that came to its end is waited for by all.
 *
 * @throws what `body` throws; GroupError where another process has ended
 */
export async function* inGroup(
  { place, timeout }: Processes,
  shouldStop: () => boolean,
  body: (group: ProcessGroup) => AsyncGenerator<TrainEvent>,
): AsyncGenerator<TrainEvent> {
  const group = await ProcessGroup.join({ place, timeout, shouldStop });
  if (!group) return;
  group.busy = true;
  let last: TrainEvent | undefined;
  try {
    for await (const event of body(group)) {
      last = event;
      yield event;
    }
    if (last?.type === "done" || last?.type === "interrupted") group.leave();
    else group.fail("it was told to stop before the run began");
  } catch (error) {
    if (!(error instanceof GroupError)) group.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** What all processes must have alike. */
export interface Shared {
  readonly recipe: Recipe;
  /** The data, class by class. */
  readonly classes: readonly TrainedClass[];
  /** What else decides on what is computed, by its option. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** @throws InputError where a process has another recipe, other data or programs than rank 0, with what differs */
export function requireAlike(group: ProcessGroup, { recipe, classes, options }: Shared): void {
  const { version } = describeEngine().libtorch;
  const own = { programs: { knack: VERSION, libtorch: version }, recipe, options, classes };
  const all = group.exchange(JSON.stringify(own)).map((text) => JSON.parse(text) as typeof own);
  const [first = own] = all;
  for (const [rank, other] of all.entries()) {
    const found = [
      ...differences(first.programs, other.programs),
      ...differences(first.options, other.options),
      ...differences(first.recipe, other.recipe),
      ...dataDifferences(first.classes, other.classes),
    ];
    if (found.length === 0) continue;
    throw new InputError(
      `${group.names[rank]} does not fit rank 0: ${found.map(inWords).join("; ")}; start all processes alike`,
    );
  }
}

function inWords({ place, was, is }: Difference): string {
  return `${place} is ${JSON.stringify(is)}, not ${JSON.stringify(was)}`;
}

/** The run's folder, which rank 0 makes and names. */
export function agreedPath(group: ProcessGroup, own: string): string {
  return group.exchange(own)[0] as string;
}
