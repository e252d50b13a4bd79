/** A person's own trick: a value in a file of theirs, which a recipe names. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../base/errors.js";
import { importFile } from "../base/load-file.js";
import { isObject, problemsOf, type Shape, section, show, type Values } from "../settings/schema.js";
import { TRICKS } from "./index.js";
import type { Moments, Run, Trick } from "./trick.js";

/** How a recipe names one: plain JSON. */
export interface OwnTrick {
  readonly name: string;
  /** The full path of the file that exports it. */
  readonly module: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface OwnTrickDefinition<S extends Shape> {
  /** As the audit calls it: "input-noise". */
  readonly name: string;
  /** `import.meta.url` of the file, which must export what `defineTrick` gives. */
  readonly module: string;
  /** Its settings, by zod or by `settings` of knack. */
  readonly settings: S;
  readonly defaults: Values<S>;
  /** What it does in a run. It is called before anything is built. */
  start(settings: Values<S>, run: Run): Moments;
}

/** Makes a recipe's entry; what is left out of the settings are the defaults. @throws InputError where a setting is wrong */
export interface DefinedTrick<S extends Shape = Shape> {
  (settings?: Partial<Values<S>>): OwnTrick;
  readonly definition: OwnTrickDefinition<S>;
}

/**
 * Defines a trick of one's own, for `tricks: [myTrick({ … })]` in a recipe. examples/own-trick.ts is one.
 *
 * @throws InputError where `module` is no file's URL
 */
export function defineTrick<S extends Shape>(definition: OwnTrickDefinition<S>): DefinedTrick<S> {
  const { name, module } = definition;
  if (!module.startsWith("file:")) {
    throw new InputError(`the trick ${name}: module must be import.meta.url of its file, not ${show(module)}`);
  }
  const named = (settings: Partial<Values<S>> = {}): OwnTrick => {
    return { name, module: fileURLToPath(module), settings: checked(definition, settings, name) };
  };
  return Object.assign(named, { definition });
}

/**
 * The tricks that a recipe brings, from the files that export them.
 *
 * @throws InputError where a file is gone or exports no such trick, a setting is wrong, or two tricks have one name
 */
export async function loadOwnTricks(named: readonly OwnTrick[]): Promise<Trick[]> {
  const tricks: Trick[] = [];
  const taken = new Set<string>(TRICKS.map(({ name }) => name));
  for (const { name, module, settings } of named) {
    if (taken.has(name)) throw new InputError(`tricks: there are two tricks called "${name}"; give one another name`);
    taken.add(name);
    const definition = definitionIn(await importFile(fileOf(name, module)), name);
    if (definition === undefined) {
      throw new InputError(`tricks: ${module} exports no trick "${name}" made by defineTrick`);
    }
    const parsed = checked(definition, settings, `tricks: ${name}`);
    tricks.push({
      name,
      summary: `a trick of ${module}`,
      group: "tricks",
      switches: [],
      shape: {},
      off: {},
      paper: {},
      start: (_, run) => definition.start(parsed, run),
    });
  }
  return tricks;
}

function fileOf(name: string, module: string): string {
  const file = resolve(module);
  if (existsSync(file)) return file;
  throw new InputError(
    `tricks: the file of the trick "${name}" is gone: ${file}; put it back, or train by a recipe without the trick`,
  );
}

function definitionIn(
  exported: Readonly<Record<string, unknown>>,
  name: string,
): OwnTrickDefinition<Shape> | undefined {
  const definitions = Object.values(exported).flatMap((value) =>
    typeof value === "function" && "definition" in value ? [value.definition as OwnTrickDefinition<Shape>] : [],
  );
  return definitions.find((definition) => isObject(definition) && definition.name === name);
}

function checked<S extends Shape>(
  { settings: shape, defaults }: OwnTrickDefinition<S>,
  settings: object,
  where: string,
): Values<S> & Record<string, unknown> {
  const result = section(shape).safeParse({ ...defaults, ...settings });
  if (result.success) return result.data as Values<S> & Record<string, unknown>;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue));
  const lines = problems.map(({ key, message }) => (key === "" ? message : `${key}: ${message}`));
  throw new InputError(`${where}: ${lines.join("; ")}`);
}
