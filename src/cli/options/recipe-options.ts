import { type Command, Option } from "commander";
import { InputError } from "../../base/errors.js";
import { AUGMENTATION_SWITCHES } from "../../data/augment/index.js";
import { METRIC_NAMES } from "../../metrics/index.js";
import { OPTIMIZERS } from "../../optim/optimizers/index.js";
import { atEpochs } from "../../recipe/at-epochs.js";
import { parseRecipe } from "../../recipe/parse.js";
import { presets } from "../../recipe/presets.js";
import type { Recipe } from "../../recipe/recipe.js";
import { CORE_SWITCHES } from "../../settings/core.js";
import { readImageSize } from "../../settings/image-size.js";
import { isObject } from "../../settings/schema.js";
import type { Switch } from "../../settings/switches.js";
import { TRICKS } from "../../tricks/index.js";
import { isOn, settingsOf, type Trick } from "../../tricks/trick.js";
import { type ModelOptionValues, modelOption } from "./model-option.js";
import { share } from "./share.js";

/** The options that `addRecipeOptions` adds, as commander returns them by name; those not given are undefined. */
export type RecipeOptions = Readonly<Record<string, unknown>> & {
  /** Those that commands look at themselves. */
  readonly model?: string;
  readonly init?: string;
};

const OPTIMIZER_NAMES = OPTIMIZERS.map(({ name }) => name).join(", ");

const tricksOf = (group: Trick["group"]) =>
  TRICKS.filter((trick) => trick.group === group).flatMap(({ switches }): readonly Switch[] => switches);

/** The switches by the headings of --help. */
const GROUPS: readonly (readonly [heading: string, switches: readonly Switch[]])[] = [
  [
    "Model and training:",
    [
      ...CORE_SWITCHES.training,
      { flags: "--optimizer <name>", help: OPTIMIZER_NAMES, key: "optimizer", reads: "text" },
      ...OPTIMIZERS.flatMap(({ switches }) => switches),
      {
        flags: "--select <metric>",
        help: `what decides on the best epoch, and what ablate compares: ${METRIC_NAMES.join(", ")}`,
        key: "select",
        reads: "text",
      },
    ],
  ],
  ["Tricks:", tricksOf("tricks")],
  ["Transfer learning:", tricksOf("transfer")],
  ["Pictures and augmentation:", [...CORE_SWITCHES.pictures, ...AUGMENTATION_SWITCHES]],
];
const SWITCHES: readonly Switch[] = GROUPS.flatMap(([, switches]) => switches);

/** Adds the options that change a recipe: its values, and a switch for every trick. @param wanted which of them */
export function addRecipeOptions(command: Command, wanted: (each: Switch) => boolean = () => true): Command {
  for (const [heading, switches] of GROUPS) {
    command.optionsGroup(heading);
    for (const each of switches.filter(wanted)) command.addOption(optionFor(each));
  }
  return command;
}

function optionFor({ flags, help, reads }: Switch): Option {
  const option = new Option(flags, help);
  if (reads === "number") option.argParser(numeric);
  if (reads === "numbers") option.argParser((text) => text.split(",").map(numeric));
  if (reads === "share") option.argParser(share);
  if (reads === "size") option.argParser((text) => readImageSize(text) ?? text);
  if (reads === "pairs") option.argParser<ModelOptionValues>(modelOption);
  return option;
}

/**
 * The recipe with the options in place of its own values. With another number of epochs, what of the recipe is counted in epochs and not
 * given as an option keeps its share of the run.
 *
 * @throws InputError naming the option whose value is wrong, or that would have no effect
 */
export function recipeFromOptions(recipe: Recipe, options: RecipeOptions): Recipe {
  return recipeWith(recipe, options, atEpochs);
}

/** The recipe of a run that goes on, with the options in place of its own values. @throws as `recipeFromOptions` */
export function recipeToGoOn(recipe: Recipe, options: RecipeOptions): Recipe {
  return recipeWith(recipe, options, (same) => same);
}

/** What the options of a recipe are called, as commander returns them. */
export const RECIPE_OPTIONS: ReadonlySet<string> = new Set(SWITCHES.map((each) => optionFor(each).attributeName()));

/** @param longer the recipe for another number of epochs */
function recipeWith(recipe: Recipe, options: RecipeOptions, longer: typeof atEpochs): Recipe {
  const given = switchesGiven(options);
  const changes = changesOf(given);
  refuseIdle(given, changes, recipe);
  const { epochs } = changes;
  const scalable = typeof epochs === "number" && Number.isSafeInteger(epochs) && epochs > 0;
  return parseRecipe(changes, "command line", scalable ? longer(recipe, epochs) : recipe, optionOf);
}

/** Names of the tricks that the command line switches off, by a switch or a choice: `--no-warmup`, `--precision fp32`. */
export function switchedOff(options: RecipeOptions): ReadonlySet<string> {
  const choices = switchesGiven(options).filter(({ each: { reads } }) => reads === undefined || reads === "text");
  const changes = changesOf(choices);
  const off = TRICKS.filter((trick: Trick) => {
    const own = settingsOf(trick, changes);
    return Object.keys(own).length > 0 && !isOn(trick, { ...presets.baseline, ...trick.paper, ...own });
  });
  return new Set(off.map(({ name }) => name));
}

/** A switch that was given, and what it sets. */
interface Given {
  readonly each: Switch;
  readonly sets: Readonly<Record<string, unknown>>;
}

function switchesGiven(options: RecipeOptions): Given[] {
  return SWITCHES.flatMap((each): Given[] => {
    const option = optionFor(each);
    const argument = options[option.attributeName()];
    if (argument === undefined || (argument === false) !== option.negate) return [];
    const sets =
      each.reads === undefined ? { [each.key]: each.value } : argument === true ? {} : { [each.key]: argument };
    return [{ each, sets: { ...each.also, ...sets } }];
  });
}

/** What the switches change of a recipe, its keys nested. @throws InputError where two of them set one key differently. */
function changesOf(given: readonly Given[]): Record<string, unknown> {
  const setBy = new Map<string, { value: unknown; flag: string }>();
  const changes: Record<string, unknown> = {};
  for (const { each, sets } of given) {
    for (const [path, value] of Object.entries(sets)) {
      const flag = flagOf(each);
      const before = setBy.get(path);
      if (before && before.value !== value) {
        throw new InputError(`${before.flag} and ${flag}: a run has one of the two; drop the other`);
      }
      setBy.set(path, { value, flag });
      const [key = "", inner] = path.split(".");
      if (inner === undefined) changes[key] = isObject(value) ? { ...value, ...objectAt(changes, key) } : value;
      else if (changes[key] !== false) changes[key] = { ...objectAt(changes, key), [inner]: value };
    }
  }
  return changes;
}

function objectAt(changes: Record<string, unknown>, key: string): Record<string, unknown> {
  const value = changes[key];
  return isObject(value) ? value : {};
}

/** @throws InputError where a switch tunes a trick that is off */
function refuseIdle(given: readonly Given[], changes: Record<string, unknown>, recipe: Recipe): void {
  const alsoSet = (key: string, than: Given) =>
    given.some((other) => other !== than && other.each.tunes === undefined && other.each.key.split(".")[0] === key);
  for (const one of given) {
    const { each } = one;
    const [key = "", inner] = each.key.split(".");
    if (inner === undefined) continue;
    const switchedOff = changes[key] === false;
    const wasOff = settingOf(recipe, key) === false && each.tunes !== undefined && !alsoSet(key, one);
    if (!switchedOff && !wasOff) continue;
    const on = each.tunes ?? flagOf(SWITCHES.find((other) => other.key.split(".")[0] === key) ?? each);
    throw new InputError(`${flagOf(each)}: has no effect with ${on} off; switch it on or drop ${flagOf(each)}`);
  }
}

function settingOf(recipe: Recipe, key: string): unknown {
  return Object.entries(recipe).find(([name]) => name === key)?.[1];
}

/** "--lr <rate>" -> "--lr" */
function flagOf({ flags }: Switch): string {
  return flags.split(" ", 1)[0] ?? flags;
}

/** The option that sets a key of the recipe, such as `warmup.epochs`. */
function optionOf(path: string): string {
  const [key = "", inner] = path.split(".");
  if (key === "modelOptions") return inner === undefined ? "--option" : `--option ${inner}`;
  const setting = SWITCHES.find((each) => each.key === `${key}.${inner}`);
  return setting ? flagOf(setting) : `--${dashed(key)}`;
}

/** "labelSmoothing" -> "label-smoothing" */
export function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A number, or the text that was given in its place, for the recipe's own check to complain about. */
function numeric(text: string): number | string {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}
