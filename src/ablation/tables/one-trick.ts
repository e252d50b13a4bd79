import { InputError } from "../../base/errors.js";
import type { Recipe } from "../../recipe/recipe.js";
import { TRICKS } from "../../tricks/index.js";
import { isOn, titleOf, type Trick } from "../../tricks/trick.js";
import { withoutIdleScaling } from "./idle-scaling.js";
import { distillationSettings, ownTeacher } from "./own-teacher.js";
import { type AblationTable, learnsFromOwnTeacher, type Row, row, type TableRequest } from "./table.js";
import { BAG, idleReason, switchedOff, switchedOn, trickNamed, withoutTricks } from "./switching.js";

/** The base recipe, and the same without each one of its tricks, the paper's and others. */
export function leaveOneOutTable(request: TableRequest): AblationTable {
  const notes: string[] = [];
  const base = withoutIdleScaling(request.base, notes);
  const full = isOn(trickNamed("distillation"), base) ? distillationSettings(base) : base;
  const tricks = TRICKS.filter((trick: Trick) => trick.group === "tricks" && isOn(trick, full));
  if (tricks.length === 0) {
    throw new InputError(
      `--table leave-one-out: the recipe ${base.name} has no trick to leave out; give another --recipe`,
    );
  }
  const all = row(base.name, full, undefined);
  const rows = tricks.map((trick: Trick) => row(`- ${titleOf(trick)}`, switchedOff(trick, full), all.name));
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
    const title = titleOf(trick);
    const reason = idleReason(trick, none.recipe, settings);
    if (reason === undefined) rows.push(row(`${title} only`, switchedOn(trick, none.recipe, settings), none.name));
    else notes.push(`no row for ${title}: ${reason}`);
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
