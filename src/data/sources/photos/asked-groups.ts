import { InputError } from "../../../base/errors.js";
import { counted, quoted } from "../../../base/printable.js";

/** Groups of pictures, as a person asked for them. */
export interface AskedGroups {
  /** A picture's group by its name; undefined where it has none. */
  readonly of: (name: string) => string | undefined;
  /** For people: "120 groups by "patient" kept together". */
  readonly words: string;
}

/**
 * The groups of `--group`: the values of a list's column, or what a pattern finds in the pictures' paths (its first bracket, where it has
 * one).
 *
 * @param column the groups by picture, where the data are a list with a column of that name
 * @throws InputError where it groups nothing, or all pictures together
 */
export function askedGroups(
  asked: string,
  column: ReadonlyMap<string, string> | undefined,
  names: readonly string[],
): AskedGroups {
  const of = column ? (name: string) => column.get(name) : matching(asked);
  const sizes = new Map<string, number>();
  let alone = 0;
  for (const name of names) {
    const group = of(name);
    if (group === undefined) alone++;
    else sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  const [example = ""] = names;
  if (sizes.size === 0) {
    const what = column ? "the column has no values" : `it matches none of the paths, such as ${quoted(example, 200)}`;
    throw new InputError(`--group: ${quoted(asked)} groups no pictures: ${what}`);
  }
  const [size] = sizes.values();
  if (size === names.length) {
    throw new InputError(
      `--group: ${quoted(asked)} puts all ${names.length} pictures into one group, ${quoted([...sizes.keys()][0])}`,
    );
  }
  if (![...sizes.values()].some((count) => count > 1)) {
    throw new InputError(
      `--group: ${quoted(asked)} puts no two pictures into one group: ${quoted(example, 200)} is in ${quoted(of(example), 200)}`,
    );
  }
  const rest = alone === 0 ? "" : ` (${counted(alone, "picture")} in none)`;
  return { of, words: `${sizes.size.toLocaleString("en")} groups by ${quoted(asked)} kept together${rest}` };
}

function matching(pattern: string): AskedGroups["of"] {
  let expression: RegExp;
  try {
    expression = new RegExp(pattern, "u");
  } catch (error) {
    throw new InputError(
      `--group: ${quoted(pattern)} is neither a column of the data nor a regular expression: ${reasonOf(error)}`,
    );
  }
  return (name) => {
    const found = expression.exec(name);
    return (found?.slice(1).find((part) => part !== undefined) ?? found?.[0]) || undefined;
  };
}

function reasonOf(error: unknown): string {
  return (error as Error).message.replace(/^Invalid regular expression: /, "");
}

/**
 * @param parts the names of each
 * @throws InputError where pictures of one group are in two of them
 */
export function requireApart({ of }: AskedGroups, parts: Readonly<Record<string, readonly string[]>>): void {
  const seen = new Map<string, { readonly part: string; readonly name: string }>();
  const torn = new Map<string, string>();
  for (const [part, names] of Object.entries(parts)) {
    for (const name of names) {
      const group = of(name);
      const first = group === undefined ? undefined : seen.get(group);
      if (group === undefined) continue;
      if (first === undefined) seen.set(group, { part, name });
      else if (first.part !== part) {
        torn.set(group, `${quoted(first.name, 200)} is for ${first.part}, ${quoted(name, 200)} for ${part}`);
      }
    }
  }
  const [example] = torn;
  if (example === undefined) return;
  const [group, where] = example;
  const many = torn.size === 1 ? "1 group is" : `${torn.size} groups are`;
  throw new InputError(
    `--group: ${many} in several parts of the data: of ${quoted(group)} ${where}; divide the data otherwise, or drop --group`,
  );
}
