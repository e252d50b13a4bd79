import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputError, KnackError } from "../../../src/base/errors.js";
import type { RawTensor } from "../../../src/tensor/raw-tensor.js";
import { readWeights } from "../../../src/weights/read-weights.js";
import { decodeSafetensors, encodeSafetensors } from "../../../src/weights/safetensors/safetensors.js";
import { inputError } from "../../support/input-error.js";

const ITEM_SIZES = {
  int64: 8,
  float64: 8,
  float32: 4,
  int32: 4,
  bfloat16: 2,
  float16: 2,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;
const DTYPES = Object.keys(ITEM_SIZES) as RawTensor["dtype"][];

function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A file with this header text and this many zero bytes of data. */
function fileOf(header: string, dataBytes: number): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

function refuses(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => decodeSafetensors(bytes, "weights.safetensors"),
    (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, /^weights\.safetensors cannot be read as safetensors: /);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    },
  );
}

test("a file is the bytes that the format's description gives", () => {
  // {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} and 2 spaces, then 1.0 and -2.0
  const expected =
    "3800000000000000" +
    "7b2261223a7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b302c385d7d7d" +
    "2020" +
    "0000803f000000c0";
  const file = encodeSafetensors(new Map([["a", { dtype: "float32", shape: [2], data: floats(1, -2) }]]));
  assert.equal(Buffer.from(file).toString("hex"), expected);
  const { tensors, metadata } = decodeSafetensors(Buffer.from(expected, "hex"), "a");
  assert.deepEqual(metadata, {});
  assert.deepEqual(tensors.get("a"), { dtype: "float32", shape: [2], data: floats(1, -2) });
});

test("no tensors, with and without metadata", () => {
  assert.equal(Buffer.from(encodeSafetensors(new Map())).toString("hex"), "08000000000000007b7d202020202020");
  const file = encodeSafetensors(new Map(), { framework: "pt" });
  // {"__metadata__":{"framework":"pt"}}     (40 bytes)
  assert.equal(
    Buffer.from(file).toString("hex"),
    "28000000000000007b225f5f6d657461646174615f5f223a7b226672616d65776f726b223a227074227d7d2020202020",
  );
  assert.deepEqual(decodeSafetensors(file, "a").metadata, { framework: "pt" });
});

test("wide elements come first, so that everything is aligned", () => {
  const tensors = new Map<string, RawTensor>([
    ["z", { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }],
    ["b", { dtype: "float32", shape: [], data: floats(4) }],
    ["steps", { dtype: "int64", shape: [1], data: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) }],
    ["a", { dtype: "float32", shape: [0, 5], data: floats() }],
  ]);
  const decoded = decodeSafetensors(encodeSafetensors(tensors), "a");
  assert.deepEqual([...decoded.tensors.keys()], ["steps", "a", "b", "z"]);
  assert.deepEqual(new Map([...decoded.tensors]), tensors);
});

test("unaligned data of other writers is copied, aligned data is not", () => {
  const header =
    '{"n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}  ';
  const file = new Uint8Array(fileOf(header, 5));
  const { tensors } = decodeSafetensors(file, "a");
  assert.equal(tensors.get("n")?.data.buffer, file.buffer);
  assert.notEqual(tensors.get("x")?.data.buffer, file.buffer);
  assert.equal(tensors.get("x")?.data.byteOffset, 0);
});

test("round trip of any tensors and metadata", () => {
  const tensor = fc
    .record({
      dtype: fc.constantFrom(...DTYPES),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
      seed: fc.nat(255),
    })
    .map(({ dtype, shape, seed }): RawTensor => {
      const size = shape.reduce((product, dimension) => product * dimension, ITEM_SIZES[dtype]);
      return { dtype, shape, data: Uint8Array.from({ length: size }, (_, i) => (seed + i) % 256) };
    });
  const name = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "0", "layer1.0.conv1.weight"));
  const named = fc.array(fc.tuple(name, tensor), { maxLength: 8 }).map((entries) => new Map(entries));
  fc.assert(
    fc.property(named, fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
      const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata), "a");
      assert.deepEqual(decoded.tensors, tensors);
      assert.deepEqual(Object.entries(decoded.metadata).sort(), Object.entries(metadata).sort());
      for (const { dtype, data } of decoded.tensors.values()) assert.equal(data.byteOffset % ITEM_SIZES[dtype], 0);
    }),
  );
});

test("a damaged file is refused or still a whole one, never a crash", () => {
  const whole = encodeSafetensors(
    new Map<string, RawTensor>([
      ["conv.weight", { dtype: "float32", shape: [2, 3], data: floats(1, 2, 3, 4, 5, 6) }],
      ["bn.steps", { dtype: "int64", shape: [], data: new Uint8Array(8) }],
    ]),
    { format: "pt" },
  );
  const damage = fc.record({
    changes: fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
    length: fc.option(fc.nat(whole.length + 8), { freq: 2 }),
  });
  fc.assert(
    fc.property(damage, ({ changes, length }) => {
      const file = new Uint8Array(length ?? whole.length);
      file.set(whole.subarray(0, file.length));
      for (const [position, value] of changes) if (position < file.length) file[position] = value;
      try {
        for (const { dtype, shape, data } of decodeSafetensors(file, "weights.safetensors").tensors.values()) {
          assert.equal(
            data.byteLength,
            shape.reduce((product, dimension) => product * dimension, ITEM_SIZES[dtype]),
          );
        }
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        assert.match(error.message, /^weights\.safetensors [^\n]+$/);
      }
    }),
    { numRuns: 2000 },
  );
});

test("each rule of the format, broken alone", () => {
  const entry = (fields: string) => `{"a":{${fields}}}`;
  const good = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
  decodeSafetensors(fileOf(entry(good), 8), "a");

  refuses(new Uint8Array(7), /7 bytes are fewer/);
  refuses(Buffer.from("00e1f50500000001", "hex"), /announce a header of \d+ bytes, the format allows 100000000/);
  refuses(Buffer.from("0900000000000000", "hex"), /header ends at byte 17, the file at byte 8/);
  refuses(fileOf("hello", 0), /header is not JSON/);
  refuses(Buffer.concat([fileOf("", 0).fill(1, 0, 1), Buffer.of(0xff)]), /header is not JSON/);
  refuses(fileOf("[]", 0), /not a JSON object/);
  refuses(fileOf(`{"a":{${good}},"\\u0061":{${good}}}`, 8), /"a" twice/);
  for (const [field, escaped] of [
    ['"shape":[2]', '"sh\\u0061pe":[2]'],
    ['"dtype":"F32"', '"dtype":"U8"'],
    ['"data_offsets":[0,8]', '"data_offsets":[0,4]'],
  ] as const) {
    const key = /\w+/.exec(field)?.[0];
    refuses(fileOf(entry(`${good},${field}`), 8), new RegExp(`header has "${key}" twice for "a"`));
    refuses(fileOf(entry(`${escaped},${good}`), 8), new RegExp(`header has "${key}" twice for "a"`));
  }
  refuses(fileOf('{"__metadata__":{"b":"1","b":"2"}}', 0), /"b" twice for "__metadata__"/);
  // The reference implementation reads counts as unsigned integers, for which these are floating point.
  for (const count of ["2.0", "2e0", "0.2e1", "20e-1", "2E0"]) {
    refuses(fileOf(entry(good.replace("[2]", `[${count}]`)), 8), new RegExp(`"a" has ${count} in its shape`));
    refuses(fileOf(entry(good.replace("[2]", `[2,[${count}]]`)), 8), new RegExp(`"a" has ${count} in its shape`));
  }
  for (const offsets of ["-0,8", "0.0,8", "0,8.0", "0,8e0"]) {
    refuses(fileOf(entry(good.replace("0,8", offsets)), 8), /"a" has \S+ in its data_offsets/);
  }
  const long = `"long":"${'\\\\\\"'.repeat(3_000_000)}"`;
  decodeSafetensors(fileOf(entry(`${long},${good}`), 8), "a");
  // What else an entry has is passed over, as there, whatever it is.
  decodeSafetensors(fileOf(entry(`"note":{"shape":1.5,"a":"}\\"{","a":1},${good},"more":-1e3`), 8), "a");
  refuses(fileOf(entry(good), 7), /"a" ends at byte 8 of the data, the data at byte 7/);
  refuses(fileOf(entry(good), 9), /1 bytes after the last tensor/);
  refuses(fileOf(entry(good.replace("F32", "U16")), 8), /"a" has dtype "U16", knack knows I64/);
  refuses(fileOf(entry(good.replace("[2]", "[3]")), 8), /"a" has 8 bytes, which no F32 of shape \[3\] has/);
  refuses(fileOf(entry(good.replace("[2]", "[-1,-2]")), 8), /"a" has -1 in its shape/);
  refuses(fileOf(entry(good.replace("[2]", "[4294967296,4294967296,4294967296]")), 8), /"a" has 8 bytes/);
  refuses(fileOf(entry(good.replace("[2]", "2")), 8), /"a" has 8 bytes/);
  refuses(fileOf(entry(good.replace("[0,8]", "[8,0]")), 8), /"a" has data_offsets \[8,0\]/);
  refuses(fileOf(entry(good.replace("[0,8]", "[0,8,8]")), 8), /"a" has data_offsets/);
  refuses(fileOf(entry(good.replace("[0,8]", "[0.5,8.5]")), 9), /"a" has 0.5 in its data_offsets/);
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  refuses(fileOf(entry(good.replace("[2]", `[${deep}]`)), 8), /no F32 of shape something deeply nested/);
  refuses(fileOf(entry(good.replace('"F32"', deep)), 8), /has dtype something deeply nested/);
  refuses(fileOf(entry('"dtype":"F32"'), 8), /"a" has data_offsets nothing/);
  refuses(fileOf('{"a":[1,2]}', 0), /entry of tensor "a" is no object/);
  refuses(fileOf(entry(good.replace("[0,8]", "[4,12]")), 12), /"a" starts at byte 4 of the data, expected 0/);
  refuses(fileOf(`{"a":{${good}},"b":{${good.replace("[0,8]", "[4,12]")}}}`, 12), /"b" starts at byte 4/);
  refuses(fileOf('{"__metadata__":{"a":1}}', 0), /__metadata__ is not an object of strings/);
});

test("a tensor whose bytes do not fit its shape is not written", () => {
  const write = (name: string, shape: number[]) => () =>
    encodeSafetensors(new Map([[name, { dtype: "float32", shape, data: floats(1, 2) }]]));
  assert.throws(
    write("fc.bias", [3]),
    new KnackError('safetensors: cannot write tensor "fc.bias": 8 bytes as float32 [3]'),
  );
  assert.throws(write("fc.bias", [0.5, 4]), KnackError);
  assert.throws(write("__metadata__", [2]), KnackError);
});

test("a file is read piece by piece, and says what is wrong with it by name", (t) => {
  const folder = fs.mkdtempSync(join(tmpdir(), "knack-safetensors-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const path = join(folder, "weights");
  const header =
    '{"n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}';
  const whole = fileOf(header, 5);
  fs.writeFileSync(path, whole);
  assert.deepEqual(readWeights(path), { notes: [], ...decodeSafetensors(whole, path) });
  for (let length = 0; length < whole.length; length++) {
    const cut = join(folder, "cut.safetensors");
    fs.rmSync(cut, { force: true });
    fs.writeFileSync(cut, whole.subarray(0, length));
    assert.throws(() => readWeights(cut), inputError(/cut\.safetensors cannot be read as safetensors: /));
  }
});
