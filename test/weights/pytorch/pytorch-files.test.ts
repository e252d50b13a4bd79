import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import type { RawTensor } from "../../../src/tensor/raw-tensor.js";
import { readWeights } from "../../../src/weights/read-weights.js";
import { inputError } from "../../support/input-error.js";
import { runPython } from "../../support/oracle.js";

const FORMS = ["zip", "legacy"] as const;

let folder: string;
before(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "knack-pytorch-"));
  runPython("write_pytorch.py", folder);
});
after(() => fs.rmSync(folder, { recursive: true }));

const inFolder = (name: string) => join(folder, name);

function written(name: string, ...parts: (string | Uint8Array)[]): string {
  const bytes = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
  fs.rmSync(inFolder(name), { force: true });
  fs.writeFileSync(inFolder(name), bytes);
  return inFolder(name);
}

function same(actual: ReadonlyMap<string, RawTensor>, expected: ReadonlyMap<string, RawTensor>): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [name, { dtype, shape, data }] of expected) {
    const tensor = actual.get(name);
    assert.deepEqual([name, tensor?.dtype, tensor?.shape], [name, dtype, shape]);
    assert.ok(Buffer.from(data).equals(tensor?.data ?? new Uint8Array(1)), name);
  }
}

// --- Pickles and zip files made by hand. Latin-1 text stands for bytes.

const bytes = (length: number, write: (buffer: Buffer) => void): string => {
  const buffer = Buffer.alloc(length);
  write(buffer);
  return buffer.toString("latin1");
};
const u16 = (value: number) => bytes(2, (buffer) => buffer.writeUInt16LE(value));
const u32 = (value: number) => bytes(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (value: number | bigint) => bytes(8, (buffer) => buffer.writeBigInt64LE(BigInt(value)));

const int = (value: number | bigint) => `\x8a\x08${u64(value)}`;
const text = (value: string) => `X${u32(value.length)}${value}`;
const tuple = (...items: string[]) => `(${items.join("")}t`;
const ints = (...values: number[]) => tuple(...values.map(int));
const call = (name: string, ...args: string[]) => `c${name.replace(/\.(\w+)$/, "\n$1")}\n${tuple(...args)}R`;
const dict = (...items: string[]) => `}(${items.join("")}u`;
const pickle = (value: string) => `\x80\x02${value}.`;

function storage(length: number, key = "0", type = "FloatStorage", ...rest: string[]): string {
  return `${tuple(text("storage"), `ctorch\n${type}\n`, text(key), text("cpu"), int(length), ...rest)}Q`;
}

function tensor(length: number, offset: string, shape: string, stride: string, ...rest: string[]): string {
  return call("torch._utils._rebuild_tensor_v2", storage(length), offset, shape, stride, "\x89", "}", ...rest);
}

const ordinary = (length: number) => pickle(dict(text("a"), tensor(length, int(0), ints(length), ints(1))));

const MAGIC = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/** A file of the legacy form; its storage "0" is listed where the pickle has one, or `listed`. */
function legacyFile(
  value: string,
  data: Uint8Array = new Uint8Array(8),
  count: number | bigint = data.length / 4,
  listed = value.includes("Storage\n"),
) {
  const machine = pickle(dict(text("little_endian"), "\x88"));
  const head = MAGIC + pickle("M\xe9\x03") + machine + value + pickle(`](${listed ? text("0") : ""}e`) + u64(count);
  return Buffer.concat([Buffer.from(head, "latin1"), data]);
}

interface ZipEntry {
  name: string;
  data: string | Uint8Array;
  /** Zeros that the file only claims to hold (a hole in it), instead of `data`. */
  hole?: number;
  method?: number;
  /** What the directory says instead of the truth. */
  size?: number;
  storedSize?: number;
  start?: number;
  checksum?: number;
}

/** Writes a zip file; all numbers of its directory are zip64's where `wide`. */
function zipFile(name: string, entries: ZipEntry[], wide = false): string {
  const file = fs.openSync(inFolder(name), "w");
  let position = 0;
  const append = (data: Buffer) => {
    fs.writeSync(file, data, 0, data.length, position);
    position += data.length;
  };
  const latin = (value: string) => append(Buffer.from(value, "latin1"));
  let directory = "";
  for (const entry of entries) {
    const data = typeof entry.data === "string" ? Buffer.from(entry.data, "latin1") : Buffer.from(entry.data);
    const { method = 0, size = entry.hole ?? data.length, storedSize = size, start = position } = entry;
    const checksum = entry.checksum ?? (entry.hole === undefined ? crc32(data) : 0);
    const named = (extra: string) => u16(entry.name.length) + u16(extra.length);
    latin(
      `PK\x03\x04${u16(20)}${u16(0)}${u16(method)}${u32(0)}${u32(checksum)}${u32(0)}${u32(0)}${named("")}${entry.name}`,
    );
    append(data);
    position += entry.hole ?? 0;
    const extra = wide ? u16(7) + u16(2) + u16(0) + u16(1) + u16(24) + u64(size) + u64(storedSize) + u64(start) : "";
    const field = (value: number) => u32(wide ? 0xffffffff : value);
    directory +=
      `PK\x01\x02${u16(45)}${u16(45)}${u16(0)}${u16(method)}${u32(0)}${u32(checksum)}${field(storedSize)}${field(size)}` +
      `${named(extra)}${u16(0)}${u16(0)}${u16(0)}${u32(0)}${field(start)}${entry.name}${extra}`;
  }
  const start = position;
  latin(directory);
  const end = position;
  const count = entries.length;
  if (wide) {
    latin(`PK\x06\x06${u64(44)}${u32(0)}${u64(0)}${u64(count)}${u64(count)}${u64(directory.length)}${u64(start)}`);
    latin(`PK\x06\x07${u32(0)}${u64(end)}${u32(1)}`);
  }
  const field = (value: number) => u32(wide ? 0xffffffff : value);
  latin(`PK\x05\x06${u32(0)}${u16(count)}${u16(count)}${field(directory.length)}${field(start)}${u16(0)}`);
  fs.closeSync(file);
  return inFolder(name);
}

/** A zip file with this pickle and the storage "0" of 8 bytes. */
function zipOf(name: string, value: string, data: Partial<ZipEntry> = {}, ...more: ZipEntry[]): string {
  return zipFile(name, [
    { name: "m/data.pkl", data: value },
    { name: "m/data/0", data: new Uint8Array(8), ...data },
    ...more,
  ]);
}

/** Both forms of a file must be refused alike. */
function bothRefuse(value: string, message: RegExp): void {
  assert.throws(() => readWeights(zipOf("hostile.pth", value)), inputError(message));
  assert.throws(() => readWeights(written("hostile.pth", legacyFile(value))), inputError(message));
}

// --- What PyTorch writes

for (const form of FORMS) {
  test(`${form} form: every dtype, layout and name, bit for bit, in each protocol`, () => {
    for (const protocol of [2, 3, 4, 5]) {
      const expected = readWeights(inFolder(`kinds${protocol}.safetensors`)).tensors;
      const { tensors, notes } = readWeights(inFolder(`kinds${protocol}.${form}.pth`));
      same(tensors, expected);
      assert.equal(tensors.size, 31);
      assert.deepEqual(notes, []);
      assert.equal(tensors.get("tied")?.data.buffer, tensors.get("matrix")?.data.buffer);
      assert.equal(tensors.get("rows")?.data.buffer, tensors.get("matrix")?.data.buffer);
    }
  });

  test(`${form} form: the state dict is found in a training checkpoint`, () => {
    for (const protocol of [2, 4]) {
      const { tensors, notes, metadata } = readWeights(inFolder(`training${protocol}.${form}.pth`));
      const wrapped = [...readWeights(inFolder(`training${protocol}.safetensors`)).tensors];
      same(tensors, new Map(wrapped.map(([name, tensor]) => [`module._orig_mod.${name}`, tensor])));
      assert.deepEqual(notes, [
        'read the state dict under "state_dict", not "epoch", "arch", "best_prec1", "best_prec5", "optimizer" and 8 more beside it',
        'there are other state dicts, which knack import --key takes: "state_dict_ema"',
      ]);
      assert.deepEqual(metadata, { epoch: "12", arch: "resnet50" });
    }
    const { tensors, notes } = readWeights(inFolder(`with_extra.${form}.pth`));
    same(tensors, readWeights(inFolder("plain.safetensors")).tensors);
    assert.deepEqual(notes, ['left out what is not a tensor: "extra", 7']);
  });

  test(`${form} form: harmless objects beside the tensors are passed over, and named`, () => {
    for (const protocol of [2, 3, 4, 5]) {
      const { tensors, notes, metadata } = readWeights(inFolder(`objects${protocol}.${form}.pth`));
      same(tensors, readWeights(inFolder(`objects${protocol}.safetensors`)).tensors);
      assert.deepEqual(metadata, { best: "Infinity" });
      const passedOver = notes.find((note) => note.startsWith("passed over")) ?? "";
      for (const name of [
        ...["argparse.Namespace", "PurePosixPath", "__main__.Phase", "datetime.datetime", "datetime.timezone"],
        ...["omegaconf.dictconfig.DictConfig", "omegaconf.base.ContainerMetadata", "numpy.ndarray", "decimal.Decimal"],
        ...["lightning_fabric.utilities.data.AttributeDict", "types.SimpleNamespace", "collections.deque"],
      ]) {
        assert.ok(passedOver.includes(name), `${name}: ${passedOver}`);
      }
    }
  });

  test(`${form} form: of several state dicts one is chosen by its key`, () => {
    const several = inFolder(`several.${form}.pth`);
    assert.throws(
      () => readWeights(several),
      inputError(/holds several state dicts \("first", "second\.inner"\): .*--key/),
    );
    const second = readWeights(several, "second.inner");
    same(second.tensors, readWeights(inFolder("several.safetensors")).tensors);
    assert.deepEqual(second.notes, ['read the state dict under "second.inner", not "first", "optimizer" beside it']);
    same(readWeights(several, "first").tensors, readWeights(inFolder("plain.safetensors")).tensors);
    assert.throws(
      () => readWeights(several, "third"),
      inputError(/--key: .* under "third"; there are "first", "second\.inner"/),
    );
    const nested = readWeights(inFolder(`nested.${form}.pth`));
    same(nested.tensors, readWeights(inFolder("nested.safetensors")).tensors);
    assert.match(nested.notes.join(), /under "checkpoint\.state_dict"/);
    const average = readWeights(inFolder(`training4.${form}.pth`), "state_dict_ema");
    same(average.tensors, readWeights(inFolder("several.safetensors")).tensors);
    // A key of names: two networks in one state dict.
    const part = readWeights(inFolder(`plain.${form}.pth`), "1");
    assert.deepEqual(
      [...part.tensors.keys()].every((name) => name.startsWith("1.")),
      true,
    );
  });

  test(`${form} form: what is no state dict is refused by name`, () => {
    const refused: Record<string, RegExp> = {
      tensor: /holds a single tensor, not a state dict/,
      numbers: /holds no state dict: none of its keys \("epoch"\) has named tensors/,
      module: /asks for torch\.nn\.modules\.container\.Sequential, which knack does not run/,
      complex: /asks for torch\.ComplexFloatStorage/,
      expanded: /shape \[1000000\] and strides \[0\]: elements of it lie in the same place/,
      overlapping: /shape \[4, 4\] and strides \[1, 1\]: elements of it lie in the same place/,
      sparse: /asks for torch\._utils\._rebuild_sparse_tensor/,
      quantized: /asks for torch\._utils\._rebuild_qtensor/,
    };
    for (const [name, message] of Object.entries(refused)) {
      const path = inFolder(`${name}.${form}.pth`);
      assert.throws(() => readWeights(path), inputError(message), name);
      assert.throws(() => readWeights(path), { message: new RegExp(`^${path}`) });
    }
  });

  test(`${form} form: a pickle that wants to run code is refused by name, and nothing runs`, () => {
    const wanted = {
      os_system: "posix.system",
      eval: "builtin(s|__).eval",
      exec: "builtin(s|__).exec",
      open: "_?io.open",
    };
    for (const [name, asked] of Object.entries(wanted)) {
      for (const protocol of ["", "4"]) {
        const message = new RegExp(`its pickle asks for (__)?${asked}, which knack does not run`);
        assert.throws(() => readWeights(inFolder(`${name}${protocol}.${form}.pth`)), inputError(message));
      }
    }
    assert.ok(!fs.existsSync(inFolder("marker")));
  });

  test(`${form} form: cut off anywhere`, () => {
    const whole = fs.readFileSync(inFolder(`plain.${form}.pth`));
    for (let length = 0; length < whole.length; length += 13) {
      const path = written("cut.pth", whole.subarray(0, length));
      assert.throws(() => readWeights(path), inputError(/cut\.pth /), `${length}`);
    }
  });
}

test("other files are recognised, or not understood", () => {
  const tar = Buffer.alloc(512);
  tar.write("ustar", 257);
  const refused: [RegExp, string | Uint8Array][] = [
    [/is no file of weights that knack knows/, ""],
    [/is no file of weights that knack knows/, "hello"],
    [/is a Git LFS pointer and not the weights/, "version https://git-lfs.github.com/spec/v1\n"],
    [/is a web page/, "<!DOCTYPE html>"],
    [/is a tar file, as PyTorch wrote before 0\.1\.10/, tar],
    [/is a pickle that torch\.save did not write/, pickle(dict(text("a"), int(1)))],
    [/its format is not version 1001/, MAGIC + pickle(int(1002))],
    [/not little-endian/, MAGIC + pickle("M\xe9\x03") + pickle(dict(text("little_endian"), "\x89"))],
  ];
  for (const [message, content] of refused) {
    assert.throws(() => readWeights(written("other.pth", content)), inputError(message));
  }
  assert.throws(
    () => readWeights(written("other.safetensors", "hello, you")),
    inputError(/cannot be read as safetensors/),
  );
  assert.throws(
    () => readWeights(inFolder("script.pth")),
    inputError(/is a TorchScript program, which knack does not run/),
  );
  assert.throws(() => readWeights(inFolder("none.pth")), inputError(/cannot read .*none\.pth: no such file/));
  assert.throws(() => readWeights(folder), inputError(/it is not a file/));
  assert.throws(
    () => readWeights(zipFile("other.pth", [{ name: "word/document.xml", data: "" }])),
    inputError(/is a zip file that torch\.save did not write/),
  );
});

// --- Hostile files

test("a tensor stays inside its storage", () => {
  const refuse = (message: RegExp, ...[offset, shape, stride, ...rest]: [string, string, string, ...string[]]) =>
    bothRefuse(pickle(dict(text("a"), tensor(2, offset, shape, stride, ...rest))), message);
  assert.equal(readWeights(zipOf("good.pth", ordinary(2))).tensors.get("a")?.data.length, 8);
  assert.equal(readWeights(written("good.pth", legacyFile(ordinary(2)))).tensors.get("a")?.data.length, 8);

  refuse(/from element 1, but the storage has 2 elements/, int(1), ints(2), ints(1));
  refuse(/but the storage has 2 elements/, int(0), ints(2 ** 40), ints(1));
  refuse(/but the storage has 2 elements/, int(0), ints(2 ** 40, 2 ** 40), ints(2 ** 40, 1));
  refuse(/but the storage has 2 elements/, int(0), ints(2), ints(2 ** 52));
  refuse(/whole numbers/, int(-1), ints(2), ints(1));
  refuse(/whole numbers/, int(0), ints(-2), ints(1));
  refuse(/whole numbers/, int(0), ints(2), ints(-1));
  refuse(/whole numbers/, int(0), tuple(`G\x3f\xe0${u32(0)}${u16(0)}`), ints(1));
  refuse(/whole numbers/, int(0), tuple(int(2n ** 62n)), ints(1));
  refuse(/whole numbers/, int(0), ints(2), ints(1, 1));
  refuse(/whole numbers/, int(0), ints(...Array(65).fill(1)), ints(...Array(65).fill(1)));
  refuse(/whole numbers/, int(0), "N", "N");
  refuse(/elements of it lie in the same place/, int(0), ints(2 ** 40), ints(0));
  refuse(/negated or conjugated/, int(0), ints(2), ints(1), dict(text("neg"), "\x88"));
});

test("a storage has the bytes that the pickle says", () => {
  const legacy = (...args: Parameters<typeof legacyFile>) => written("lie.pth", legacyFile(...args));
  const tera = 2 ** 40;
  assert.throws(
    () => readWeights(zipOf("lie.pth", ordinary(tera))),
    inputError(/"m\/data\/0" has 8 bytes, not those of/),
  );
  assert.throws(
    () => readWeights(zipOf("lie.pth", ordinary(2), { size: 2 ** 31 })),
    inputError(/of 2147483648 bytes reaches into/),
  );
  const wide = (data: Partial<ZipEntry>) =>
    zipFile(
      "lie.pth",
      [
        { name: "m/data.pkl", data: ordinary(tera / 4) },
        { name: "m/data/0", data: "", ...data },
      ],
      true,
    );
  assert.throws(
    () => readWeights(wide({ size: tera })),
    inputError(/"m\/data\/0" of 1099511627776 bytes reaches into/),
  );
  assert.throws(() => readWeights(wide({ start: tera })), inputError(/does not start where the directory says/));
  assert.throws(
    () => readWeights(legacy(ordinary(2), new Uint8Array(8), tera)),
    inputError(/has 1099511627776 elements/),
  );
  assert.throws(() => readWeights(legacy(ordinary(2), new Uint8Array(8), -2)), inputError(/has -2 elements/));
  assert.throws(
    () => readWeights(legacy(ordinary(tera), new Uint8Array(8), tera)),
    inputError(/cut off: its storage "0"/),
  );
  assert.throws(
    () => readWeights(legacy(pickle(dict(text("a"), int(1))), new Uint8Array(8), 2, true)),
    inputError(/list of storages does not fit/),
  );
  bothRefuse(
    pickle(dict(text("a"), storage(2), text("b"), storage(2, "0", "LongStorage"))),
    /describes storage "0" in two ways/,
  );
  bothRefuse(pickle(dict(text("a"), storage(2, "0", "FloatStorage", tuple()))), /is a view of another/);
  bothRefuse(pickle(`${text("module")}Q`), /names a storage in a way/);
});

test("an entry of a zip file is stored, alone and undamaged", () => {
  const refuse = (message: RegExp, ...args: [Partial<ZipEntry>, ...ZipEntry[]]) =>
    assert.throws(() => readWeights(zipOf("zip.pth", ordinary(2), ...args)), inputError(message));
  const inside = 30 + "m/data.pkl".length + ordinary(2).length + 30 + "m/data/0".length + 4;
  refuse(/"m\/data\/0" is compressed, which torch\.save never does/, { method: 8, size: 2 ** 31 });
  refuse(/"m\/data\/0" is compressed/, { storedSize: 4 });
  refuse(/"m\/data\/0" does not start where/, { start: 0 });
  refuse(/"m\/data\/0" of 8 bytes reaches into what follows/, {}, { name: "m/data/1", data: "", start: inside });
  refuse(/"m\/data\/0" is damaged: its checksum is wrong/, { checksum: 1 });
  refuse(/holds "m\/data\/0" twice/, {}, { name: "m/data/0", data: "" });
  refuse(/2 data\.pkl/, {}, { name: "n/data.pkl", data: "" });
  refuse(/big-endian/, {}, { name: "m/byteorder", data: "big" });
  refuse(/has no entry "m\/data\/0"/, { name: "m/data/1" });
  assert.equal(readWeights(zipOf("zip.pth", ordinary(2), { checksum: 0 })).tensors.size, 1);
});

test("zip64, beyond 4 GiB, where only what is needed is read", () => {
  const path = zipFile(
    "large.pth",
    [
      { name: "m/data.pkl", data: ordinary(2) },
      { name: "m/data/1", data: "", hole: 5 * 2 ** 30 },
      {
        name: "m/data/0",
        data: Float32Array.of(1, -2).reduce((all, value) => all + bytes(4, (b) => b.writeFloatLE(value)), ""),
      },
    ],
    true,
  );
  assert.ok(fs.statSync(path).size > 5 * 2 ** 30);
  const data = readWeights(path).tensors.get("a")?.data ?? new Uint8Array();
  assert.deepEqual(new Float32Array(data.buffer), Float32Array.of(1, -2));
  fs.rmSync(path);
});

test("a broken pickle says what is wrong", () => {
  const refused: [string, RegExp][] = [
    [pickle(""), /takes from an empty stack/],
    [pickle("(0("), /takes from an empty stack/],
    [pickle("t"), /takes from an empty stack/],
    [pickle("\x87"), /takes from an empty stack/],
    [pickle("R"), /takes from an empty stack/],
    [pickle("h\x05"), /asks for its value 5 before it has one/],
    [pickle("NNs"), /takes from an empty stack/],
    [pickle("NNNs"), /sets items of None/],
    [pickle("}(Nu"), /a key without a value/],
    [pickle("NNa"), /appends to None/],
    [pickle("N(N\x90"), /adds to None/],
    [pickle("N)R"), /calls None/],
    [pickle("ccollections\nOrderedDict\nNR"), /calls collections\.OrderedDict with None/],
    [pickle(call("collections.OrderedDict", "](Ne")), /a dict of other than pairs/],
    [pickle(call("builtins.set", "N")), /a container of None/],
    [pickle("NNb"), /gives attributes to None/],
    [pickle("NN\x93"), /something without a name/],
    [pickle(call("torch._utils._rebuild_tensor_v2")), /a tensor of it lies in nothing/],
    [pickle("i"), /the instruction 0x69 at byte \d+, which torch\.save does not write/],
    [pickle(`X${u32(0xfffffff0)}`), /is cut off/],
    [pickle(`\x8d${u64(-1)}`), /is cut off/],
    [pickle(`\x8b${u32(2 ** 31)}`), /an integer of 2147483648 bytes/],
    [pickle(text("\xff")), /a text that is not UTF-8/],
    [pickle(`c${"x".repeat(2000)}`), /endless line/],
    ["\x80\x06N.", /protocol 6, knack reads 2 to 5/],
    [pickle("cos\nsystem\n"), /asks for os\.system, which knack does not run/],
    [pickle(`${text("os\n")}${text("a b")}\x93`), /asks for "os\\n\.a b", which/],
    [pickle("ctorch._utils\n__proto__\n"), /asks for torch\._utils\.__proto__/],
    [pickle(call("builtins.getattr", "N", text("x"))), /asks for builtins\.getattr of None, which knack does not run/],
    [
      pickle(call("builtins.getattr", "ccollections\nOrderedDict\n", text("x"))),
      /asks for builtins\.getattr of collections/,
    ],
    [pickle("cconstructor\nname\n"), /asks for constructor\.name/],
  ];
  for (const [value, message] of refused) bothRefuse(value, message);
});

test("a state dict as Python 2 wrote it", () => {
  const str = (value: string) => `U${String.fromCharCode(value.length)}${value}`;
  const item = tuple(str("a"), tensor(2, int(0), ints(2), ints(1)));
  const noise = tuple(str("b"), call("numpy.core.multiarray.scalar", "N", str("\xff\xfe")));
  const path = zipOf("python2.pth", pickle(call("collections.OrderedDict", `](${item}${noise}e`)));
  assert.deepEqual([...readWeights(path).tensors.keys()], ["a"]);
});

test("bombs: deep nesting, doubling, copies and views end in an error, or cost nothing", () => {
  const beside = (value: string) => pickle(dict(text("a"), tensor(2, int(0), ints(2), ints(1)), text("b"), value));
  const reads = (value: string) => {
    assert.deepEqual([...readWeights(zipOf("bomb.pth", beside(value))).tensors.keys()], ["a"]);
    assert.deepEqual([...readWeights(written("bomb.pth", legacyFile(beside(value)))).tensors.keys()], ["a"]);
  };
  reads(`)${"\x85".repeat(100_000)}`);
  reads(`${"(".repeat(100_000)}${"t".repeat(100_000)}`);
  reads(`${"]".repeat(100_000)}${"a".repeat(99_999)}`);
  reads(`)q\x00${"0h\x00h\x00\x86q\x00".repeat(60)}`);
  reads("]q\x00h\x00a");
  const wrapped = pickle(dict(text("module.".repeat(100_000)), tensor(2, int(0), ints(2), ints(1))));
  assert.equal(readWeights(zipOf("bomb.pth", wrapped)).tensors.size, 1);
  bothRefuse(pickle(")\x85q\x00h\x00\x86".repeat(10) + "\x85".repeat(100_000)), /holds a list, not a state dict/);
  bothRefuse(pickle(dict(`)${"\x85".repeat(100_000)}`, int(1))), /none of its keys \(a list\)/);
  bothRefuse(pickle(`)${"\x85".repeat(100_000)}Q`), /names a storage in a way/);
  bothRefuse(pickle(`)${"\x85".repeat(100_000)}${text("x")}\x93`), /something without a name/);
  const list = `](${"N".repeat(10_000)}eq\x00`;
  bothRefuse(pickle(`${list}${`0${call("builtins.set", "h\x00")}`.repeat(1000)}`), /takes more than 1000000 steps/);
  bothRefuse(pickle("]".repeat(1_000_000)), /takes more than 1000000 steps/);

  const side = 100;
  const transposed = tensor(side * side, int(0), ints(side, side), ints(1, side));
  const names = Array.from({ length: 100 }, (_, i) => text(`name${i}`) + transposed);
  const data = new Uint8Array(4 * side * side);
  const message = inputError(/many transposed views of the same memory/);
  assert.throws(() => readWeights(zipOf("bomb.pth", pickle(dict(...names)), { data })), message);
  assert.throws(() => readWeights(written("bomb.pth", legacyFile(pickle(dict(...names)), data))), message);
});

test("10,000 randomly damaged files: each is read or refused in one line, with little memory", () => {
  const child = join(dirname(fileURLToPath(import.meta.url)), "../../children/damaged-weights.js");
  const sources = ["plain.safetensors", ...FORMS.flatMap((form) => [`plain.${form}.pth`, `training4.${form}.pth`])];
  const output = execFileSync(process.execPath, [child, "10000", ...sources.map(inFolder)], { encoding: "utf8" });
  const { read, refused, grownMegabytes, slowestMilliseconds } = JSON.parse(output);
  assert.equal(read + refused, 10_000);
  assert.ok(refused > 5000, output);
  assert.ok(read > 100, output);
  assert.ok(grownMegabytes < 100, output);
  assert.ok(slowestMilliseconds < 2000, output);
});
