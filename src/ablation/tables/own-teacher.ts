import { MODELS } from "../../models/registry.js";
import type { Recipe } from "../../recipe/recipe.js";
import { OWN_TEACHER, type TableRequest } from "./table.js";
import { TRICKS, withoutTricks } from "./tricks.js";

/** The settings that rows distil with: those of the base recipe, whose teacher is the ablation's own where it names none. */
export function distillationSettings(base: Recipe): Recipe {
  const { distillation } = TRICKS.distillation.on(base, base);
  if (!distillation || distillation.teacher !== null) return { ...base, distillation };
  return { ...base, distillation: { ...distillation, teacher: OWN_TEACHER } };
}

/**
 * The teacher that an ablation trains itself, once: a deeper network by the base recipe, with cosine decay and without label
 * smoothing, mixup and distillation.
 */
export function ownTeacher(
  base: Recipe,
  { teacherModel = MODELS.get(base.model)?.deeper ?? base.model }: TableRequest,
  notes: string[],
): Recipe {
  const stripped = withoutTricks(base, [TRICKS.labelSmoothing, TRICKS.distillation, TRICKS.mixup]);
  const recipe = TRICKS.cosine.on({ ...stripped, model: teacherModel, name: "teacher" }, stripped);
  notes.push(
    `the teacher is trained first, once, and all seeds learn from it: ${teacherModel} by the base recipe ` +
      "with cosine decay, without label smoothing and mixup (--teacher CKPT and --teacher-model NAME give another)",
  );
  return recipe;
}
