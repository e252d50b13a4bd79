/** Where two JSON values differ. */
export interface Difference {
  /** "rows.1.recipe.lr" */
  readonly place: string;
  readonly was: unknown;
  readonly is: unknown;
}

export function differences(was: unknown, is: unknown, place = ""): Difference[] {
  if (isObject(was) && isObject(is)) {
    const keys = new Set([...Object.keys(was), ...Object.keys(is)]);
    return [...keys].flatMap((key) => differences(was[key], is[key], place === "" ? key : `${place}.${key}`));
  }
  return Object.is(was, is) ? [] : [{ place, was, is }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
