import type { Random } from "../../src/tensor/random.js";

/** Numbers at which readers go wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const WORDS = [
  ...["", "0", "-1", "1e999", "9007199254740993", "NaN", "null", "true", "{}", "[]", '""', '"', "'", ",", ";", "\n"],
  ...["\0", "\ufeff", "\u202e", "../../etc/passwd", "__proto__", "constructor", "[".repeat(2000), "a".repeat(5000)],
];
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 0.5, 1e308, 2 ** 53, "", "0", "__proto__", "\n", [], {}, [[]], { a: { b: 1 } }],
  "x".repeat(5000),
];

export type Mutation = (whole: Buffer, random: Random) => Buffer;

const place = (whole: Buffer, random: Random) => random.integer(whole.length + 1);
const splice = (whole: Buffer, at: number, removed: number, put: Buffer) =>
  Buffer.concat([whole.subarray(0, at), put, whole.subarray(at + removed)]);

const BYTES: readonly Mutation[] = [
  (whole, random) => {
    const changed = Buffer.from(whole);
    const at = random.integer(whole.length);
    changed[at] = (changed[at] as number) ^ (1 << random.integer(8));
    return changed;
  },
  (whole, random) => splice(whole, place(whole, random), 0, randomBytes(random)),
  (whole, random) => splice(whole, place(whole, random), 1 + random.integer(40), Buffer.alloc(0)),
  (whole, random) => splice(whole, place(whole, random), 8, randomBytes(random)),
  (whole, random) => whole.subarray(0, place(whole, random)),
  (whole, random) => {
    const [from, at] = [place(whole, random), place(whole, random)];
    return splice(whole, at, 0, whole.subarray(from, from + random.integer(600)));
  },
  (whole, random) => {
    const number = Buffer.alloc(8);
    number.writeUInt32LE(EDGES[random.integer(EDGES.length)] as number, random.integer(2) * 4);
    const length = [1, 2, 4, 8][random.integer(4)] as number;
    return splice(whole, place(whole, random), length, number.subarray(0, length));
  },
  (whole, random) => splice(whole, place(whole, random), random.integer(4), word(random)),
];

function randomBytes(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 1 + random.integer(12) }, () => random.integer(256)));
}

function word(random: Random): Buffer {
  return Buffer.from(WORDS[random.integer(WORDS.length)] as string);
}

/** Changes a file's bytes in one to three places. */
export function changedBytes(whole: Buffer, random: Random): Buffer {
  let changed = whole;
  for (let times = 1 + random.integer(3); times > 0 && changed.length > 0; times--) {
    changed = (BYTES[random.integer(BYTES.length)] as Mutation)(changed, random);
  }
  return changed;
}

/** Changes a value somewhere in a JSON text, or, one time in four, its bytes. */
export function changedJson(whole: Buffer, random: Random): Buffer {
  if (random.integer(4) === 0) return changedBytes(whole, random);
  const json: unknown = JSON.parse(whole.toString());
  for (let times = 1 + random.integer(2); times > 0; times--) changeInside({ json }, random);
  return Buffer.from(JSON.stringify(json));
}

function changeInside(root: { json: unknown }, random: Random): void {
  let holder: Record<string, unknown> = root;
  let key = "json";
  for (;;) {
    const value = holder[key];
    const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
    if (keys.length === 0 || (holder !== root && random.integer(3) === 0)) break;
    [holder, key] = [value as Record<string, unknown>, keys[random.integer(keys.length)] as string];
  }
  const strange = structuredClone(VALUES[random.integer(VALUES.length)]);
  const kind = random.integer(4);
  if (kind === 0 && holder !== root) delete holder[key];
  else if (kind === 1 && holder !== root) holder[`${key}x`] = holder[key];
  else if (kind === 2 && typeof holder[key] === "number") holder[key] = (holder[key] as number) * -1e3;
  else holder[key] = strange;
}

/** Changes the cells and lines of a table, or its bytes. */
export function changedTable(whole: Buffer, random: Random): Buffer {
  if (random.integer(2) === 0) return changedBytes(whole, random);
  const lines = whole.toString().split("\n");
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const [from, to] = [random.integer(lines.length), random.integer(lines.length)];
    const kind = random.integer(4);
    if (kind === 0) lines.splice(from, 1 + random.integer(5));
    else if (kind === 1) lines.splice(to, 0, lines[from] ?? "");
    else if (kind === 2) lines[from] = `${lines[from] ?? ""},${word(random)}`;
    else {
      const cells = (lines[from] ?? "").split(",");
      cells[random.integer(cells.length)] = word(random).toString();
      lines[from] = cells.join(",");
    }
  }
  return Buffer.from(lines.join("\n"));
}
