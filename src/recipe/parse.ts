import { didYouMean } from "../base/did-you-mean.js";
import { InputError } from "../base/errors.js";
import { OPTIMIZERS } from "../optim/optimizers/index.js";
import { isObject, listed, type Problem, problemsOf, show } from "../settings/schema.js";
import { TRICKS } from "../tricks/index.js";
import { settingsOf, type Trick } from "../tricks/trick.js";
import { isPresetName, presets } from "./presets.js";
import { type Recipe, recipeSchema } from "./recipe.js";

/** Settings of parts where a recipe switches one on without giving them all. */
const customary: Readonly<Record<string, unknown>> = Object.assign(
  {},
  ...OPTIMIZERS.map(({ defaults }) => defaults),
  ...TRICKS.map(({ paper }) => paper),
);

/**
 * Checks a recipe and completes it: omitted keys come from `base`, or from the preset that the value names as `extends`; omitted
 * settings of a trick that is off there are the paper's. A changed precision brings its own loss scale, unless one is given.
 *
 * @param where the file or option the value comes from, for the message
 * @param base a complete recipe
 * @param nameOf what to call a key, such as `warmup.epochs`, in the message
 * @throws InputError in one line with the place, the key and what is allowed
 */
export function parseRecipe(
  value: unknown,
  where: string,
  base: Recipe = presets.baseline,
  nameOf: (key: string) => string = (key) => key,
): Recipe {
  if (!isObject(value)) throw new InputError(`${where}: a recipe must be an object, not ${show(value)}`);
  const { extends: preset, ...changes } = value;
  if (preset !== undefined && !isPresetName(preset)) {
    const names = Object.keys(presets);
    throw new InputError(
      `${where}: ${nameOf("extends")}: must be ${listed(names)}, not ${show(preset)}${didYouMean(String(preset), names)}`,
    );
  }
  const recipe = complete(preset === undefined ? base : presets[preset], changes);
  const result = recipeSchema.safeParse(recipe);
  const parsed = result.data as unknown as Recipe; // the schema is made of the same parts as the type
  const problems = result.success ? contradictions(parsed) : result.error.issues.flatMap((issue) => problemsOf(issue));
  if (problems.length === 0) return parsed;
  const lines = problems.map(({ key, message }) => (key === "" ? message : `${nameOf(key)}: ${message}`));
  throw new InputError(`${where}: ${lines.join("; ")}`);
}

/** Fills what the changes leave out. The result is as unchecked as the changes are. */
function complete(base: Recipe, changes: Record<string, unknown>): unknown {
  const byTricks = TRICKS.flatMap((trick: Trick) => {
    const own = settingsOf(trick, changes);
    return trick.completed && Object.keys(own).length > 0 ? [trick.completed(own, settingsOf(trick, base))] : [];
  });
  const taken: Record<string, unknown> = Object.assign({}, ...byTricks);
  const others = Object.entries(changes)
    .filter(([key]) => !Object.hasOwn(taken, key))
    .map(([key, change]) => [
      key,
      isObject(change) ? { ...(objectIn(base, key) ?? objectIn(customary, key)), ...change } : change,
    ]);
  return { ...base, ...Object.fromEntries(others), ...taken };
}

function objectIn(recipe: object, key: string): object | undefined {
  const settings = Object.entries(recipe).find(([name]) => name === key)?.[1];
  return isObject(settings) ? settings : undefined;
}

/** Keys that are right alone and wrong together. */
function contradictions(recipe: Recipe): Problem[] {
  const { batchSize, accumulation } = recipe;
  const message = `must divide the batch size, and ${batchSize} / ${accumulation} is not whole`;
  return [
    ...(batchSize % accumulation === 0 ? [] : [{ key: "accumulation", message }]),
    ...TRICKS.flatMap((trick: Trick) => trick.problems?.(settingsOf(trick, recipe), recipe) ?? []),
  ];
}
