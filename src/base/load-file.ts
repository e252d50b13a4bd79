import { existsSync, statSync } from "node:fs";
import { access, constants, readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { createJiti } from "jiti";
import { InputError } from "./errors.js";
import { refuseLack } from "./lack.js";
import { printable } from "./printable.js";

/** Whether a name is that of a file which `loadFile` reads: by its ending, or because there is a file or a pipe of that name. */
export function isFile(spec: string): boolean {
  return isCode(spec) || extname(spec) === ".json" || (existsSync(spec) && !statSync(spec).isDirectory());
}

function isCode(file: string): boolean {
  return /^\.[cm]?[jt]s$/.test(extname(file));
}

/**
 * What a TypeScript or JavaScript file exports as its default, or any other file or pipe holds as JSON.
 *
 * @param what what that should be, for the message
 * @throws InputError if there is no such file or it cannot be read
 */
export function loadFile(file: string, what: string): Promise<unknown> {
  return isCode(file) ? importDefault(file, what) : readJson(file);
}

/** What reading a file gives. @throws InputError where there is no such file, or it cannot be read */
async function explained<T>(file: string, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    refuseLack(error);
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT" || code === "ENOTDIR"; // the latter: a file is taken for a folder
    throw new InputError(`${file}: ${isMissing ? "there is no such file" : `cannot be read (${code})`}`, error);
  }
}

async function readJson(file: string): Promise<unknown> {
  const text = (await explained(file, readFile(file, "utf8"))).replace(/^\uFEFF/, "");
  try {
    return JSON.parse(text);
  } catch (error) {
    const line = text.slice(0, positionOfError(text, messageOf(error))).split("\n").length;
    throw new InputError(`${file}, line ${line}: not valid JSON: ${reasonOf(messageOf(error))}`, error);
  }
}

/** JSON.parse's message without the piece of the file that it cites, which may be of many lines, or no text at all. */
function reasonOf(message: string): string {
  return printable(message.replace(/, (\.\.\.)?".*is not valid JSON$/s, ""));
}

/** Not all of JSON.parse's messages state the position; then it is where the shortest text ends that has the same kind of error. */
function positionOfError(text: string, message: string): number {
  const [, stated] = /at position (\d+)/.exec(message) ?? [];
  if (stated !== undefined) return Number(stated);
  let [valid, invalid] = [0, text.length];
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    if (hasUnexpectedToken(text.slice(0, middle))) invalid = middle;
    else valid = middle;
  }
  return invalid;
}

function hasUnexpectedToken(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return messageOf(error).startsWith("Unexpected token");
  }
}

async function importDefault(file: string, what: string): Promise<unknown> {
  const exported = await importFile(file);
  if (exported.default === undefined) throw new InputError(`${file}: has no default export; export default ${what}`);
  return exported.default;
}

/**
 * What a TypeScript or JavaScript file exports. In it `knack` is this very package, wherever the file lies.
 *
 * @throws InputError if there is no such file or it cannot be loaded
 */
export async function importFile(file: string): Promise<Record<string, unknown>> {
  await explained(file, access(file, constants.R_OK));
  // By its place and not by import: the package as a whole is no floor below, and most commands never need it.
  const knack: unknown = await import(new URL("../index.js", import.meta.url).href);
  const options = { fsCache: false, moduleCache: false, interopDefault: false, virtualModules: { knack } };
  try {
    return await createJiti(import.meta.url, options).import(resolve(file));
  } catch (error) {
    refuseLack(error);
    throw new InputError(`${file}: cannot be loaded: ${firstLine(messageOf(error))}`, error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0]?.trim() ?? "";
}
