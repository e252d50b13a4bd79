/**
 * Calls every function of ops.ts and of the addon with hostile arguments, `argv[2]` thousand times. Every call must return or
 * throw an Error: what this process must not do is die. The call under way stands in the file `argv[3]`, for who reads why it died.
 */
import assert from "node:assert/strict";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { types } from "node:util";
import { addon } from "../../src/native/torch/addon.js";
import * as autograd from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { operator } from "../../src/tensor/operator.js";
import * as ops from "../../src/tensor/ops.js";
import { randomFor } from "../../src/tensor/random.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";

type Callable = (...args: unknown[]) => unknown;

const random = randomFor(Number(process.argv[4] ?? 0), "misuse");
const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)] as T;

const values = (...shape: number[]) =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 7) - 3),
    shape,
  );
const classes = (...list: number[]) => Tensor.from(BigInt64Array.from(list, BigInt));
const leaf = (tensor: Tensor) => ops.requireGradient(tensor, true);
const disposed = <T extends Disposable>(value: T): T => {
  value[Symbol.dispose]();
  return value;
};

// Nothing answers; the handle lives at least until the event loop turns, which is after the last call.
const socket = connect(1, "127.0.0.1").on("error", () => {});
const foreignExternal = (socket as unknown as { _handle: { _externalStream?: unknown } })._handle._externalStream;
assert.ok(types.isExternal(foreignExternal), "Node no longer offers an external of another kind");

const tensors: (() => unknown)[] = [
  () => values(),
  () => values(0),
  () => values(3),
  () => values(1, 1),
  () => values(2, 3),
  () => values(2, 3, 8, 8),
  () => values(4, 3, 3, 3),
  () => values(0, 3, 8, 8),
  () => values(...Array(70).fill(1)),
  () => leaf(values(2, 3, 8, 8)),
  () => ops.mulScalar(leaf(values(2, 3)), 2),
  () => ops.permute(values(2, 3, 4, 5), [3, 1, 0, 2]),
  () => ops.contiguous(values(2, 3, 8, 8), "channels_last"),
  () => ops.toDType(values(2, 3), "float64"),
  () => ops.toDType(values(2, 3, 8, 8), "float16"),
  () => ops.toDType(values(2, 3, 8, 8), "bfloat16"),
  () => ops.toDType(values(3), "bool"),
  () => ops.toDType(values(2, 3), "uint8"),
  () => classes(0, 2),
  () => classes(-1, 2 ** 40),
  () => operator("aten::to", "device")(values(2, 3, 8, 8), "meta", "float32"),
  () => operator("aten::expand")(values(1), [1000]),
  () => operator("aten::to_sparse")(values(2, 3)),
  () => operator("aten::to_mkldnn")(values(2, 3, 8, 8)),
  () => disposed(values(2, 3)),
  () => new Generator(1),
  () => disposed(new Generator(1)),
];
const plain: (() => unknown)[] = [
  ...[undefined, null, true, false, 0, -0, 1, 2, 3, 0.5, -1, -2, 64, 2 ** 32, 2 ** 40, 2 ** 53 - 1].map((v) => () => v),
  ...[2 ** 53, -(2 ** 53), 2 ** 63, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 5n, Symbol("s")].map((v) => () => v),
  ...["", "float32", "int64", "bool", "cpu", "cpu:7", "cuda", "cuda:0", "meta", "xla", "mps", "channels_last"].map(
    (v) => () => v,
  ),
  ...["aten::add", "no such thing", "\0", "💥".repeat(1000)].map((v) => () => v),
  () => [],
  () => [1],
  () => [1, 1],
  () => [0, 1],
  () => [3, 2],
  () => [-1],
  () => [0, -3],
  () => [Number.NaN],
  () => [2 ** 40],
  () => [2 ** 53 - 1, 2 ** 53 - 1],
  () => [2 ** 53 - 1, 255],
  () => [0, 2 ** 53 - 1, 2 ** 53 - 1],
  () => Array(70).fill(1),
  () => Array(70).fill(2),
  () => [1, undefined, 2],
  () => Array(3),
  () => ["1", {}],
  () => [null],
  () => [[1]],
  () => [values(3), values(3)],
  () => [values(3), values(2, 3)],
  () => [values(3), disposed(values(3))],
  () => [values(3), 1, "x"],
  () => ({}),
  () => ({ length: 3, 0: 1 }),
  () => Object.create(null),
  () => Object.create(Tensor.prototype),
  () => new Proxy([1, 2], {}),
  () => new Proxy(values(3), {}),
  () => new Date(0),
  () => () => 1,
  () => new Uint8Array(4),
  () => new Float32Array(0),
  () => new Float32Array(new SharedArrayBuffer(24)),
  () => new Uint8Array(new SharedArrayBuffer(25), 1),
  () => new BigInt64Array(2),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => structuredDetached(),
  () => foreignExternal,
  () => options(),
];

function structuredDetached(): Float32Array {
  const array = new Float32Array(6);
  structuredClone(array, { transfer: [array.buffer] });
  return array;
}

const OPTION_NAMES = [
  "stride",
  "padding",
  "dilation",
  "groups",
  "training",
  "momentum",
  "eps",
  "ceilMode",
  "countIncludePad",
  "top",
  "bottom",
  "left",
  "right",
  "before",
  "after",
];

/** An options object with hostile values. */
function options(): unknown {
  return Object.fromEntries(OPTION_NAMES.flatMap((name) => (random.integer(3) === 0 ? [[name, pick(plain)()]] : [])));
}

const image = () => values(2, 3, 8, 8);
const channel = () => values(3);
const table = () => values(2, 3);
const generator = () => new Generator(7);

/** A good call of each operator: hostile values in one of its arguments get deeper than hostile values in all of them. */
const GOOD: Record<string, () => unknown[]> = {
  conv2d: () => [leaf(image()), leaf(values(6, 3, 3, 3)), null, { stride: 1, padding: 1, dilation: 1, groups: 1 }],
  batchNorm: () => [
    leaf(image()),
    leaf(channel()),
    channel(),
    channel(),
    channel(),
    { training: true, momentum: 0.1, eps: 1e-5 },
  ],
  linear: () => [leaf(table()), values(4, 3), values(4)],
  relu: () => [image()],
  reluInPlace: () => [image()],
  clamp: () => [leaf(image()), 0, 6],
  maxPool2d: () => [leaf(image()), 3, 2, 1],
  avgPool2d: () => [leaf(image()), 2, 2, { padding: 1, ceilMode: true, countIncludePad: false }],
  padZeros: () => [leaf(image()), { top: 0, bottom: 1, left: 0, right: 1, before: 2, after: 2 }],
  add: () => [table(), table(), 0.5],
  addInPlace: () => [table(), table(), 0.5],
  addScalar: () => [table(), 1],
  sub: () => [table(), table()],
  mul: () => [table(), table()],
  mulScalar: () => [table(), 2],
  mulScalarInPlace: () => [table(), 2],
  div: () => [table(), table()],
  mean: () => [image(), [2, 3], true],
  sum: () => [image(), [2, 3], true],
  sumAll: () => [image()],
  softmax: () => [table(), 1],
  logSoftmax: () => [table(), 1],
  crossEntropy: () => [leaf(table()), pick([() => classes(0, 2), table])()],
  descendingOrder: () => [table()],
  scatterValueInPlace: () => [table(), 1, ops.reshape(classes(0, 2), [2, 1]), 1],
  equal: () => [table(), table()],
  finite: () => [table()],
  all: () => [ops.finite(table())],
  concatenate: () => [[leaf(image()), image()], 1],
  flatten: () => [image(), 1],
  reshape: () => [image(), [2, -1]],
  permute: () => [image(), [0, 2, 3, 1]],
  unsqueeze: () => [table(), 1],
  flip: () => [image(), [3]],
  roll: () => [image(), [1], [0]],
  indexSelect: () => [image(), 0, classes(1, 0)],
  narrow: () => [image(), 0, 0, 1],
  toDType: () => [table(), "float64"],
  toDevice: () => [table(), "cpu", "float32"],
  contiguous: () => [image(), "channels_last"],
  full: () => [[2, 3], 1, "float32", "cpu"],
  clone: () => [table()],
  detach: () => [table()],
  copyInPlace: () => [table(), table()],
  fillInPlace: () => [table(), 1],
  requireGradient: () => [table(), true],
  setData: () => [leaf(table()), values(4)],
  uniformInPlace: () => [table(), 0, 1, generator()],
  normalInPlace: () => [table(), 0, 1, generator()],
  bernoulliInPlace: () => [table(), 0.5, generator()],
  randomPermutation: () => [5, generator()],
  sampleDirichlet: () => [ops.full([2, 3], 1), generator()],
  addEachInPlace: () => [[table(), channel()], [table(), channel()], 2],
  scaleEachInPlace: () => [[table(), channel()], 2],
  // Of the addon. Handles come out of Tensors where `native` below hands them over.
  findOperator: () => ["aten::add", "Tensor"],
  call: () => [addon.findOperator("aten::add", "Tensor"), [table(), table()]],
  fromBuffer: () => [new Float32Array(6), "float32", [2, 3]],
  createGenerator: () => [1, "cpu"],
  generatorState: () => [generator()],
  setGeneratorState: () => [generator(), generator().state],
};

/** What the addon's functions take in place of our objects. */
function native(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(native);
  try {
    return value instanceof Tensor
      ? Tensor.handleOf(value)
      : value instanceof Generator
        ? Generator.handleOf(value)
        : value;
  } catch {
    return value;
  }
}

addon.setThreads(1); // loads it: before the first use it has no functions to list
const functions: [string, Callable, boolean][] = [
  ...Object.entries({ ...ops, ...autograd }).map(([n, f]): [string, Callable, boolean] => [n, f as Callable, false]),
  ...Object.entries(addon).map(([n, f]): [string, Callable, boolean] => [n, f as Callable, true]),
];

function hostileArguments(name: string): unknown[] {
  const anything = () => pick(random.integer(2) === 0 ? tensors : plain)();
  const good = GOOD[name]?.();
  if (good === undefined || random.integer(4) === 0) return Array.from({ length: random.integer(6) }, anything);
  const args = [...good];
  for (let faults = 1 + random.integer(2); faults > 0; faults--) {
    const at = random.integer(args.length + 1);
    const last = args[at];
    if (at === args.length) args[random.integer(4) === 0 ? at : 0] = anything();
    else if (typeof last === "object" && last !== null && Object.getPrototypeOf(last) === Object.prototype) {
      args[at] = { ...last, ...(options() as object) };
    } else args[at] = anything();
  }
  return args;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `[${value.slice(0, 4).map(describe).join(", ")}${value.length > 4 ? ", …" : ""}]`;
  if (types.isProxy(value)) return "a proxy";
  try {
    if (value instanceof Tensor)
      return value.disposed ? "disposed tensor" : `${value.dtype}[${value.shape}] ${value.device}`;
  } catch {
    return "not a tensor";
  }
  if (types.isExternal(value)) return "external";
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return JSON.stringify(value, (_, v) => (typeof v === "bigint" || typeof v === "symbol" ? String(v) : v));
  }
  return value instanceof Generator
    ? "generator"
    : String(typeof value === "object" ? Object.prototype.toString.call(value) : String(value)).slice(0, 50);
}

/** A result that requires a gradient is also sent backward. */
function goBackward(result: unknown): void {
  if (result instanceof Tensor && !result.disposed && result.requiresGradient && result.size < 1e6) {
    autograd.backward(ops.sumAll(result));
  }
}

const journal = openSync(process.argv[3] ?? "/dev/null", "w");
const thousands = Number(process.argv[2] ?? 1);
const before = liveTensors();
let returned = 0;
for (let i = 0; i < thousands * 1000; i++) {
  const [name, callable, ofAddon] = functions[i % functions.length] as (typeof functions)[number];
  scope(() => {
    const args = hostileArguments(name);
    ftruncateSync(journal);
    writeSync(journal, `${i}: ${name}(${args.map(describe).join(", ")})\n`, 0);
    try {
      const result = callable(...(ofAddon ? (args.map(native) as unknown[]) : args));
      if (types.isExternal(result)) addon.dispose(result as never);
      else goBackward(result);
      returned++;
    } catch (error) {
      assert.ok(error instanceof Error, `${name} threw ${String(error)}`);
    }
  });
  addon.setGradientMode(true);
  addon.setThreads(1);
}
closeSync(journal);
console.log(JSON.stringify({ returned, of: thousands * 1000, before, after: liveTensors() }));
