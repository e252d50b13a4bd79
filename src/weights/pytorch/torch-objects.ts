/** What a pickle of PyTorch may ask for: https://github.com/pytorch/pytorch/blob/main/torch/_utils.py has the functions. */
import { InputError } from "../../base/errors.js";
import { type DType, ITEM_SIZE } from "../../tensor/dtype.js";
import { damagedFile } from "./damaged-file.js";
import { quoted } from "../../base/printable.js";
import { attributeOf, opaqueClass, reconstructed } from "./opaque-objects.js";
import { kindOf, PickleFunction, type PickleMachine, type PickleWorld, Unread } from "./unpickle.js";

/** As many as PyTorch's own loops allow. */
const MAX_DIMENSIONS = 64;

/** A piece of memory that tensors lie in; its bytes are elsewhere in the file. */
export class Storage {
  constructor(
    readonly dtype: DType,
    readonly key: string,
    /** Elements. */
    readonly length: number,
  ) {}

  get byteLength(): number {
    return this.length * ITEM_SIZE[this.dtype];
  }
}

/** A tensor: a view of a storage that lies inside it. Offset and strides are counted in elements. */
export class StoredTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
  ) {}
}

/** What torch.save was given, without the tensors' bytes, and where to get those. */
export interface TorchFile {
  readonly value: unknown;
  /** Classes of the objects beside the tensors that were passed over. */
  readonly passedOver: ReadonlySet<string>;
  /** The bytes of a storage, in a buffer of their own. */
  read(storage: Storage): Uint8Array<ArrayBuffer>;
}

class StorageType {
  constructor(readonly dtype: DType) {}
}

const STORAGE_TYPES: Readonly<Record<string, DType>> = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

const FUNCTIONS: Readonly<Record<string, PickleFunction["call"]>> = {
  "torch._utils._rebuild_tensor": ([storage, offset, size, stride], machine) =>
    tensorOf(storage, offset, size, stride, machine),
  "torch._utils._rebuild_tensor_v2": ([storage, offset, size, stride, , , metadata], machine) => {
    // It says that the values are to be negated or conjugated.
    if (metadata instanceof Map && metadata.size > 0) {
      throw machine.broken("a tensor of it is a negated or conjugated view; save a clone of it");
    }
    return tensorOf(storage, offset, size, stride, machine);
  },
  "torch._utils._rebuild_parameter": ([tensor]) => tensor,
  "torch._utils._rebuild_parameter_with_state": ([tensor]) => tensor,
  "torch.Size": ([sizes]) => sizes,
  "collections.OrderedDict": orderedDict,
  // Its first argument would make what is missing: nothing here asks for that.
  "collections.defaultdict": (_, machine) => machine.dict(),
  "collections.Counter": ([items = new Map()], machine) => {
    if (!(items instanceof Map)) throw machine.broken(`its pickle counts ${kindOf(items)}`);
    machine.spend(items.size);
    return new Map(items);
  },
  "copyreg._reconstructor": reconstructed,
  "builtins.getattr": attributeOf,
  "builtins.set": setOf,
  "builtins.frozenset": setOf,
  "builtins.bytes": () => new Unread("bytes object"),
  "builtins.bytearray": () => new Unread("bytearray"),
  "builtins.complex": () => new Unread("complex number"),
  "_codecs.encode": () => new Unread("bytes object"),
  "torch.device": () => new Unread("device"),
  "numpy.dtype": () => new Unread("dtype"),
  "numpy.core.multiarray.scalar": () => new Unread("number of NumPy"),
  "numpy._core.multiarray.scalar": () => new Unread("number of NumPy"),
};

const GLOBALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...Object.entries(FUNCTIONS).map(([name, call]) => [name, new PickleFunction(name, call)] as const),
  ...Object.entries(STORAGE_TYPES).flatMap(([name, dtype]) => [
    [`torch.${name}`, new StorageType(dtype)] as const,
    [`torch.cuda.${name}`, new StorageType(dtype)] as const,
    [`torch.${dtype}`, new Unread("dtype")] as const,
  ]),
]);

/** What Python 3 calls what it writes into protocol 2, torch.save's own, by the name that Python 2 had. */
function modernName(name: string): string {
  return RENAMED.get(name) ?? name.replace(/^__builtin__\./, "builtins.").replace(/^copy_reg\./, "copyreg.");
}

const RENAMED: ReadonlyMap<string, string> = new Map([
  ["__builtin__.long", "builtins.int"],
  ["__builtin__.unicode", "builtins.str"],
  ["__builtin__.xrange", "builtins.range"],
  ["UserDict.IterableUserDict", "collections.UserDict"],
  ["UserList.UserList", "collections.UserList"],
  ["UserString.UserString", "collections.UserString"],
]);

/** The world of one PyTorch file; collects the storages that its tensors lie in. */
export class TorchWorld implements PickleWorld {
  readonly storages = new Map<string, Storage>();
  readonly passedOver = new Set<string>();
  readonly #path: string;

  /** @param path the file's, for messages */
  constructor(path: string) {
    this.#path = path;
  }

  global(name: string): unknown {
    const modern = modernName(name);
    const known = GLOBALS.get(modern);
    if (known !== undefined) return known;
    const opaque = opaqueClass(modern);
    if (opaque === undefined) {
      const shown = /^[\w.]{1,80}$/.test(name) ? name : quoted(name);
      throw new InputError(
        `${this.#path}: its pickle asks for ${shown}, which knack does not run: only tensors, containers, numbers and harmless objects are ` +
          "read; if you trust the file, load it in PyTorch and torch.save(model.state_dict(), ...)",
      );
    }
    if (!/^(builtins|typing)\./.test(modern)) this.passedOver.add(modern);
    return opaque;
  }

  /** ("storage", type, key, device, elements, and in the legacy form a view, which nothing has written since 2017). */
  persistent(id: unknown): Storage {
    const [tag, type, key, , length, view] = Array.isArray(id) ? id : [];
    if (tag !== "storage" || !(type instanceof StorageType) || typeof key !== "string" || !isCount(length)) {
      throw damagedFile(this.#path, "its pickle names a storage in a way that torch.save does not");
    }
    if (view !== undefined && view !== null) {
      throw damagedFile(
        this.#path,
        `its storage ${quoted(key)} is a view of another; save it again with a newer PyTorch`,
      );
    }
    const storage = this.storages.get(key) ?? new Storage(type.dtype, key, length);
    if (storage.dtype !== type.dtype || storage.length !== length) {
      throw damagedFile(this.#path, `its pickle describes storage ${quoted(key)} in two ways`);
    }
    this.storages.set(key, storage);
    return storage;
  }
}

/** torch._utils._rebuild_tensor, checked: a tensor that reaches outside its storage, or holds an element of it twice, is none. */
function tensorOf(storage: unknown, offset: unknown, size: unknown, stride: unknown, machine: PickleMachine) {
  if (!(storage instanceof Storage))
    throw machine.broken(`a tensor of it lies in ${kindOf(storage)}, not in a storage`);
  const where = `a tensor in its storage ${quoted(storage.key)}`;
  if (!isCount(offset) || !isShape(size) || !isShape(stride) || size.length !== stride.length) {
    throw machine.broken(
      `${where} has no shape, strides and offset that are at most ${MAX_DIMENSIONS} whole numbers each`,
    );
  }
  const described = `${where} has shape [${size.join(", ")}] and strides [${stride.join(", ")}]`;

  // By stride, each dimension must step over all that those before it reach.
  const dimensions = size.map((length, i) => ({ length, step: stride[i] ?? 0 })).sort((a, b) => a.step - b.step);
  let last = 0;
  for (const { length, step } of size.includes(0) ? [] : dimensions) {
    if (length === 1) continue;
    if (step <= last) throw machine.broken(`${described}: elements of it lie in the same place; save a clone of it`);
    last += (length - 1) * step;
  }
  const end = size.includes(0) ? 0 : offset + last + 1;
  if (end > storage.length || !Number.isSafeInteger(size.reduce((product, length) => product * length, 1))) {
    throw machine.broken(`${described} from element ${offset}, but the storage has ${storage.length} elements`);
  }
  // Copies, since the pickle can still append to its own lists.
  return new StoredTensor(storage, offset, [...size], [...stride]);
}

/** Empty, but Python 2 gives the items: [[key, value], ...]. */
function orderedDict([items = []]: readonly unknown[], machine: PickleMachine): Map<unknown, unknown> {
  const dict = machine.dict();
  for (const item of listOf(items, machine)) {
    machine.spend(1);
    if (!Array.isArray(item) || item.length !== 2) throw machine.broken("its pickle makes a dict of other than pairs");
    dict.set(item[0], item[1]);
  }
  return dict;
}

function setOf([items = []]: readonly unknown[], machine: PickleMachine): Set<unknown> {
  return machine.set(listOf(items, machine));
}

function listOf(items: unknown, machine: PickleMachine): readonly unknown[] {
  if (!Array.isArray(items)) throw machine.broken(`its pickle makes a container of ${kindOf(items)}`);
  return items;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isCount);
}
