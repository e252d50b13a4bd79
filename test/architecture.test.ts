import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "./oracle.js";

/** Top floor first: a file imports only from its own floor or from one further down. */
const FLOORS = [
  "cli",
  "ablation",
  "report",
  "training",
  "tensorboard",
  "tricks",
  "inference",
  "onnx",
  "weights",
  "data",
  "models",
  "fast",
  "nn",
  "tensor",
  "native",
  "drawing",
];
/** Files beside the floors that every floor may import. */
const GROUND = ["atomic-file", "did-you-mean", "errors", "printable", "version"];

const source = join(repositoryRoot, "src");

function imports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return Array.from(text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g), (match) =>
    resolve(dirname(file), match[1] ?? ""),
  );
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join(source, name));

test("every file imports from its own floor or from below", () => {
  const floorOf = (file: string) => relative(source, file).split(sep)[0] ?? "";
  const seen = new Set<string>();
  for (const file of files.filter((name) => relative(source, name).includes(sep))) {
    const own = FLOORS.indexOf(floorOf(file));
    assert.notEqual(own, -1, `${file} stands on no floor`);
    seen.add(floorOf(file));
    for (const imported of imports(file)) {
      if (GROUND.includes(relative(source, imported).replace(/\.js$/, ""))) continue;
      const target = FLOORS.indexOf(floorOf(imported));
      assert.ok(
        target >= own,
        `${relative(source, file)} imports ${relative(source, imported)}, which is no floor below`,
      );
    }
  }
  assert.deepEqual([...seen].sort(), [...FLOORS].sort());
});

test("only the tensor floor touches the addon", () => {
  const users = files
    .filter((file) => imports(file).some((imported) => imported.endsWith(join("native", "addon.js"))))
    .map((file) => relative(source, file).split(sep)[0]);
  assert.deepEqual([...new Set(users)], ["tensor"]);
});
