import { InputError } from "../../base/errors.js";
import type { Recipe } from "../../recipe/recipe.js";
import { withoutIdleScaling } from "./idle-scaling.js";
import { distillationSettings, ownTeacher } from "./own-teacher.js";
import { type AblationTable, learnsFromOwnTeacher, type Row, row, type TableRequest } from "./table.js";
import { TRICKS, type Trick, withoutTricks } from "./tricks.js";

const BAG: readonly Trick[] = Object.values(TRICKS);

/** The base recipe, and the same without each one of its tricks. */
export function leaveOneOutTable(request: TableRequest): AblationTable {
  const notes: string[] = [];
  const base = withoutIdleScaling(request.base, notes);
  const full = TRICKS.distillation.isOn(base) ? distillationSettings(base) : base;
  const tricks = BAG.filter((trick) => trick.isOn(full));
  if (tricks.length === 0) {
    throw new InputError(
      `--table leave-one-out: the recipe ${base.name} has no trick to leave out; give another --recipe`,
    );
  }
  const all = row(base.name, full, undefined);
  const rows = tricks.map((trick) => row(`- ${trick.name}`, trick.off(full), all.name));
  return {
    name: "leave-one-out",
    title: `Leave one out: ${base.name} without each of its tricks`,
    comparison: `each row with "${all.name}"; a trick pays where the row without it hurts`,
    rows: [all, ...rows],
    notes,
    teacher: teacherOf([all, ...rows], base, request, notes),
  };
}

/** The base recipe without any trick, and the same with each one alone. */
export function onlyOneTable(request: TableRequest): AblationTable {
  const notes: string[] = [];
  const { base, without } = request;
  const settings = distillationSettings(base);
  const none = row("no tricks", withoutTricks(base, BAG), undefined);
  const rows: Row[] = [];
  for (const trick of BAG.filter(({ name }) => !without.has(name))) {
    const reason = trick.idle?.(none.recipe, settings);
    if (reason === undefined) rows.push(row(`${trick.name} only`, trick.on(none.recipe, settings), none.name));
    else notes.push(`no row for ${trick.name}: ${reason}`);
  }
  return {
    name: "only-one",
    title: "Only one: each trick alone",
    comparison: `each row with "${none.name}"`,
    rows: [none, ...rows],
    notes,
    teacher: teacherOf(rows, base, request, notes),
  };
}

function teacherOf(rows: readonly Row[], base: Recipe, request: TableRequest, notes: string[]): Recipe | undefined {
  return rows.some(({ recipe }) => learnsFromOwnTeacher(recipe)) ? ownTeacher(base, request, notes) : undefined;
}
