/** What people see on a terminal: words whole, tables that fit, colours where there are any. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fittingTable } from "../../../src/cli/output/fitting-table.js";
import { dress } from "../../../src/cli/output/on-terminals.js";

const plain = (text: string, columns: number) => dress(text, columns, false);

describe("lines", () => {
  test("go on where their text begins, at words", () => {
    assert.equal(
      plain("  warmup           10 steps (0.5625 epochs), lr 0.001 to 0.01 of all groups\n", 48),
      ["  warmup           10 steps (0.5625 epochs), lr", "                   0.001 to 0.01 of all groups", ""].join(
        "\n",
      ),
    );
    assert.equal(
      plain("data: flower_photos: 600 training and 250 validation photographs\n", 44),
      "data: flower_photos: 600 training and 250\n  validation photographs\n",
    );
  });

  test("lose no word, and are no wider than the terminal where words are not", () => {
    const word = fc.stringMatching(/^[a-z0-9%.:,]{1,12}$/);
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 40, max: 120 }),
        (words, columns) => {
          const shown = plain(`  ${words.join(" ")}`, columns);
          assert.deepEqual(shown.trim().split(/\s+/), words);
          for (const line of shown.split("\n")) assert.ok(line.length <= columns, line);
        },
      ),
    );
  });

  test("of programs, of tables and of bars stay", () => {
    for (const line of [`{"a":"${"b ".repeat(60)}"}`, `│ ${"b │ ".repeat(60)}`, `\x1b[0G${"b ".repeat(60)}\x1b[0K`]) {
      assert.equal(dress(line, 80, true), line);
    }
  });
});

test("the best epoch and warnings have a colour where there are colours", () => {
  assert.equal(dress("top-1 90.00 % (best) | 5s", 80, true), "top-1 90.00 % \x1b[32m(best)\x1b[39m | 5s");
  assert.equal(dress("knack: warning: it is late", 80, true), "\x1b[33mknack: warning:\x1b[39m it is late");
  assert.equal(dress("top-1 90.00 % (best)", 80, false), "top-1 90.00 % (best)");
});

test("a table leaves the least important columns out where it would not fit, and names them", () => {
  const columns = ["row", "top-1 %", "difference", "images/s"].map((title) => {
    return { title, align: "right", cells: ["1234567890"] } as const;
  });
  const on = (room?: number) => fittingTable(columns, Object.assign(new PassThrough(), room && { columns: room }));
  assert.ok(on().includes("images/s") && !on().includes("wider"));
  const narrow = on(45);
  for (const line of narrow.split("\n").slice(0, -1)) assert.ok(line.length <= 45, line);
  assert.match(narrow, /for a wider terminal, and in the files: images\/s$/);
});
