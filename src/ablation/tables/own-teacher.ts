import { MODELS } from "../../models/registry.js";
import type { Recipe } from "../../recipe/recipe.js";
import { isOn, titleOf, type Trick } from "../../tricks/trick.js";
import { changingLessons, switchedOn, trickNamed, withoutTricks } from "./switching.js";
import { comparable, OWN_TEACHER, type TableRequest } from "./table.js";

/** Tricks that start from trained weights. */
const TRAINED_WEIGHTS = ["init", "freeze-epochs", "backbone-lr"];

/** The settings that rows distil with: those of the base recipe, whose teacher is the ablation's own where it names none. */
export function distillationSettings(base: Recipe): Recipe {
  const { distillation } = switchedOn(trickNamed("distillation"), base, base);
  if (!distillation || distillation.teacher !== null) return { ...base, distillation };
  return { ...base, distillation: { ...distillation, teacher: OWN_TEACHER } };
}

/**
 * The teacher that an ablation trains itself, once: a deeper network by the base recipe, with cosine decay and without the tricks that
 * change what is learned from.
 */
export function ownTeacher(
  base: Recipe,
  { teacherModel = MODELS.get(base.model)?.deeper ?? base.model }: TableRequest,
  notes: string[],
): Recipe {
  const left = changingLessons(base);
  // Trained weights are another network's, and what spares them has nothing to spare.
  const ofInit =
    teacherModel === base.model ? [] : TRAINED_WEIGHTS.map(trickNamed).filter((trick) => isOn(trick, base));
  const stripped = withoutTricks(base, [...left, ...ofInit]);
  const recipe = switchedOn(trickNamed("cosine"), { ...stripped, model: teacherModel, name: "teacher" }, stripped);
  const paperOrOn = (trick: Trick) => trick.section !== undefined || isOn(trick, base);
  const shown = [...left.filter((trick) => trick.name !== "distillation" && paperOrOn(trick)), ...ofInit];
  const without = shown.map(titleOf);
  notes.push(
    `the teacher is trained first, once, and all seeds learn from it: ${teacherModel} by the base recipe ` +
      `with cosine decay, without ${allOf(without)} (--teacher CKPT and --teacher-model NAME give another)`,
  );
  return comparable(recipe, "the teacher");
}

function allOf(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
