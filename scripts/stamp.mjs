// Stamps: a step of the set-up is repeated only when something it depends on has changed.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the package. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Every file below a folder of the package with one of these endings, sorted; empty when there is no such folder. */
export function filesUnder(/** @type {string} */ folder, /** @type {string[]} */ ...endings) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => join(folder, name))
    .sort();
}

/**
 * @param {string[]} files   names in the package; their names and contents count
 * @param {unknown} facts    anything else that counts, as JSON
 */
export function stampOf(files, facts) {
  const hash = createHash("sha256").update(JSON.stringify(facts));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

/** Writes a file of the package beside its place and renames it, so that it is never half there. */
export function writeWhole(/** @type {string} */ file, /** @type {string} */ text) {
  const path = join(root, file);
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}
