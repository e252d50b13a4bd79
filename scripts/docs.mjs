// Writes the tables of tricks in README.md (the paper's) and docs/tricks.md (all) from the list in src/tricks/index.ts: npm run docs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, writeWhole } from "./stamp.mjs";

const { trickTable } = await import(new URL("../dist/src/tools/trick-table.js", import.meta.url).href);
const { TRICKS } = await import(new URL("../dist/src/tricks/index.js", import.meta.url).href);

for (const [file, tricks] of [
  ["README.md", TRICKS.filter(({ section }) => section !== undefined)],
  ["docs/tricks.md", TRICKS],
]) {
  const text = readFileSync(join(root, file), "utf8");
  const table = trickTable(tricks);
  const written = text.replace(
    /(<!-- tricks: .*-->\n)[\s\S]*?(<!-- end -->)/,
    (_, start, end) => `${start}${table}\n${end}`,
  );
  writeWhole(file, written);
  console.log(`docs: ${file}`);
}
