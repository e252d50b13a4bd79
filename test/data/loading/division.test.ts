import assert from "node:assert/strict";
import { test } from "node:test";
import { ownOf, rowsOf } from "../../../src/data/loading/division.js";

test("each row belongs to exactly one process, and none has more than one more than another", () => {
  for (const [rows, size] of [
    [7, 3],
    [8, 4],
    [5, 5],
    [2, 3],
    [100, 7],
  ] as const) {
    const all = Array.from({ length: size }, (_, rank) => rowsOf(rows, { rank, size }));
    const taken = all.flatMap(({ start, count }) => Array.from({ length: count }, (_, at) => start + at));
    assert.deepEqual(
      taken,
      Array.from({ length: rows }, (_, row) => row),
    );
    const counts = all.map(({ count }) => count);
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
  }
});

test("of a batch in parts each process has its rows of every part", () => {
  const batch = Uint32Array.from({ length: 10 }, (_, at) => at);
  const own = [0, 1].map((rank) => [...ownOf(batch, 2, { rank, size: 2 })]);
  assert.deepEqual(own, [
    [0, 1, 5, 6],
    [2, 3, 4, 7, 8, 9],
  ]);
});
