import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { test } from "node:test";
import { TRICKS } from "../src/tricks/index.js";
import { repositoryRoot } from "./support/oracle.js";

/** Top floor first: a file imports only from its own floor or from one further down. */
const FLOORS = [
  "cli",
  "", // index.ts and train.ts: the library
  "suspects",
  "folds",
  "ablation",
  "auto",
  "tools",
  "report",
  "inference",
  "onnx",
  "run",
  "training",
  "recipe",
  "tricks",
  "tasks",
  "metrics",
  "optim",
  "weights",
  "models",
  "data",
  "engine",
  "nn",
  "settings",
  "tensor",
  "native",
  "pages",
  "base",
];

const source = join(repositoryRoot, "src");

function imports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return Array.from(text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g), (match) =>
    resolve(dirname(file), (match[1] ?? "").replace(/\.js$/, ".ts")),
  );
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join(source, name));
const graph = new Map(files.map((file) => [file, imports(file)]));
const nameOf = (file: string) => relative(source, file);
const floorOf = (file: string) => (nameOf(file).includes(sep) ? (nameOf(file).split(sep)[0] ?? "") : "");

test("every file imports from its own floor or from below", () => {
  const seen = new Set<string>();
  const upward: string[] = [];
  for (const [file, imported] of graph) {
    const own = FLOORS.indexOf(floorOf(file));
    assert.notEqual(own, -1, `${file} stands on no floor`);
    seen.add(floorOf(file));
    for (const other of imported) {
      if (FLOORS.indexOf(floorOf(other)) < own) upward.push(`${nameOf(file)} imports ${nameOf(other)}`);
    }
  }
  assert.deepEqual(upward, [], "imports that run up");
  assert.deepEqual([...seen].sort(), [...FLOORS].sort());
});

test("no files import each other in a circle", () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].map(nameOf).join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const imported of graph.get(file) ?? []) visit(imported, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  assert.deepEqual(circles, []);
});

test("only the tensor floor touches the addon", () => {
  const users = files.filter((file) =>
    graph.get(file)?.some((imported) => imported.endsWith(join("torch", "addon.ts"))),
  );
  assert.deepEqual([...new Set(users.map(floorOf))], ["tensor"]);
});

test("no trick is known by name outside of src/tricks and the presets", () => {
  const tricks = new Set(TRICKS.map(({ name }) => join(source, "tricks", `${name}.ts`)));
  const named = files
    .filter((file) => floorOf(file) !== "tricks" && nameOf(file) !== join("recipe", "presets.ts"))
    .flatMap((file) =>
      (graph.get(file) ?? [])
        .filter((imported) => tricks.has(imported))
        .map((trick) => `${nameOf(file)} imports ${nameOf(trick)}`),
    );
  assert.deepEqual(named, []);
});
