import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** @returns what makes paths in a folder that is there until the file's tests have ended */
export function scratchFolder(name: string): (...path: string[]) => string {
  const folder = mkdtempSync(join(tmpdir(), `knack-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return (...path) => join(folder, ...path);
}
