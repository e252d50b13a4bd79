/**
 * Python's pickle format, protocols 2 to 5 (https://docs.python.org/3/library/pickle.html, opcodes: Lib/pickletools.py), as a
 * stack machine that makes plain values and nothing else. A pickle is a program: it may ask for any function of Python by
 * name. Here every name goes to the caller, which answers with a function of its own or refuses.
 *
 *     int, float   number; bigint beyond 2^53      tuple, list      array
 *     str          string                          dict             Map
 *     bytes        Uint8Array                      set, frozenset   Set
 *     None         null                            bool             boolean
 */
import type { PickleInput } from "./pickle-input.js";

/**
 * More than any checkpoint needs (a tensor takes about 40), and few enough that the most expensive pickle (one that makes a
 * list with every byte) takes less than a hundred megabytes.
 */
const MAX_STEPS = 1_000_000;
/** A Map or Set takes about as much memory as ten of anything else. */
const HASHED_STEPS = 10;
const MAX_INTEGER_BYTES = 255;

/** A function that a pickle may call. */
export class PickleFunction {
  readonly name: string;
  readonly call: (args: readonly unknown[], machine: PickleMachine) => unknown;

  constructor(name: string, call: (args: readonly unknown[], machine: PickleMachine) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** A value that is harmless and of no use here: it is kept closed. */
export class Unread {
  readonly kind: string;

  constructor(kind: string) {
    this.kind = kind;
  }
}

/** What a pickle gets from outside. Both throw where it asks for what it may not have. */
export interface PickleWorld {
  /** The function, class or constant of this name, such as "collections.OrderedDict". */
  global(name: string): unknown;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
}

/**
 * Reads one pickle, up to and with its STOP.
 *
 * @throws InputError where it is broken or too long; what `world` throws
 */
export function unpickle(input: PickleInput, world: PickleWorld): unknown {
  return new PickleMachine(input, world).run();
}

export class PickleMachine {
  readonly #input: PickleInput;
  readonly #world: PickleWorld;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  #stepsLeft = MAX_STEPS;

  constructor(input: PickleInput, world: PickleWorld) {
    this.#input = input;
    this.#world = world;
  }

  broken(what: string) {
    return this.#input.broken(what);
  }

  /** Counts work: who goes through what the pickle can name again and again at the cost of two bytes counts each item. */
  spend(steps: number): void {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < 0) throw this.broken(`its pickle takes more than ${MAX_STEPS} steps`);
  }

  dict(): Map<unknown, unknown> {
    this.spend(HASHED_STEPS);
    return new Map();
  }

  set(items: readonly unknown[]): Set<unknown> {
    this.spend(HASHED_STEPS + items.length);
    return new Set(items);
  }

  run(): unknown {
    const input = this.#input;
    const stack = this.#stack;
    for (;;) {
      this.spend(1);
      const position = input.position;
      const opcode = input.uint8();
      switch (opcode) {
        case 0x80: // PROTO
          this.#protocol(input.uint8());
          break;
        case 0x95: // FRAME: only tells how much to read ahead
          input.take(8);
          break;
        case 0x2e: // STOP
          return this.#pop();

        case 0x4e: // NONE
          stack.push(null);
          break;
        case 0x88: // NEWTRUE
          stack.push(true);
          break;
        case 0x89: // NEWFALSE
          stack.push(false);
          break;
        case 0x4a: // BININT
          stack.push(input.int32());
          break;
        case 0x4b: // BININT1
          stack.push(input.uint8());
          break;
        case 0x4d: // BININT2
          stack.push(input.uint16());
          break;
        case 0x8a: // LONG1
          stack.push(this.#integer(input.uint8()));
          break;
        case 0x8b: // LONG4
          stack.push(this.#integer(input.uint32()));
          break;
        case 0x47: // BINFLOAT
          stack.push(input.float64());
          break;

        case 0x58: // BINUNICODE
          stack.push(input.text(input.uint32()));
          break;
        case 0x8c: // SHORT_BINUNICODE
          stack.push(input.text(input.uint8()));
          break;
        case 0x8d: // BINUNICODE8
          stack.push(input.text(input.uint64()));
          break;
        case 0x54: // BINSTRING
          stack.push(input.python2String(input.uint32()));
          break;
        case 0x55: // SHORT_BINSTRING
          stack.push(input.python2String(input.uint8()));
          break;
        case 0x42: // BINBYTES
          stack.push(Uint8Array.from(input.take(input.uint32())));
          break;
        case 0x43: // SHORT_BINBYTES
          stack.push(Uint8Array.from(input.take(input.uint8())));
          break;
        case 0x8e: // BINBYTES8
        case 0x96: // BYTEARRAY8
          stack.push(Uint8Array.from(input.take(input.uint64())));
          break;

        case 0x28: // MARK
          this.#marks.push(stack.length);
          break;
        case 0x30: // POP: takes a mark where one is on top
          if (this.#marks.at(-1) === stack.length) this.#marks.pop();
          else this.#pop();
          break;
        case 0x31: // POP_MARK
          this.#popToMark();
          break;
        case 0x32: // DUP
          stack.push(this.#top());
          break;

        case 0x29: // EMPTY_TUPLE
        case 0x5d: // EMPTY_LIST
          stack.push([]);
          break;
        case 0x85: // TUPLE1
        case 0x86: // TUPLE2
        case 0x87: // TUPLE3
          stack.push(this.#tuple(opcode - 0x84));
          break;
        case 0x74: // TUPLE
          stack.push(this.#popToMark());
          break;
        case 0x61: // APPEND
          this.#append([this.#pop()]);
          break;
        case 0x65: // APPENDS
          this.#append(this.#popToMark());
          break;
        case 0x7d: // EMPTY_DICT
          stack.push(this.dict());
          break;
        case 0x73: // SETITEM
          this.#setItems(this.#tuple(2));
          break;
        case 0x75: // SETITEMS
          this.#setItems(this.#popToMark());
          break;
        case 0x8f: // EMPTY_SET
          stack.push(this.set([]));
          break;
        case 0x90: // ADDITEMS
          this.#addItems(this.#popToMark());
          break;
        case 0x91: // FROZENSET
          stack.push(this.set(this.#popToMark()));
          break;

        case 0x71: // BINPUT
          this.#memo.set(input.uint8(), this.#top());
          break;
        case 0x72: // LONG_BINPUT
          this.#memo.set(input.uint32(), this.#top());
          break;
        case 0x94: // MEMOIZE
          this.#memo.set(this.#memo.size, this.#top());
          break;
        case 0x68: // BINGET
          stack.push(this.#remembered(input.uint8()));
          break;
        case 0x6a: // LONG_BINGET
          stack.push(this.#remembered(input.uint32()));
          break;

        case 0x63: // GLOBAL
          stack.push(this.#world.global(`${input.line()}.${input.line()}`));
          break;
        case 0x93: // STACK_GLOBAL
          stack.push(this.#stackGlobal());
          break;
        case 0x52: // REDUCE
        case 0x81: // NEWOBJ: a class in place of a function
          stack.push(this.#call());
          break;
        case 0x92: // NEWOBJ_EX: the arguments' names and values are on top
          this.#pop();
          stack.push(this.#call());
          break;
        case 0x62: // BUILD: attributes, such as the _metadata of a state dict, are not kept
          this.#pop();
          if (!(this.#top() instanceof Map) && !(this.#top() instanceof Unread)) {
            throw this.broken(`its pickle gives attributes to ${kindOf(this.#top())}`);
          }
          break;
        case 0x51: // BINPERSID
          stack.push(this.#world.persistent(this.#pop()));
          break;

        default:
          throw this.broken(
            `its pickle has the instruction 0x${opcode.toString(16)} at byte ${position}, which torch.save does not write`,
          );
      }
    }
  }

  #protocol(version: number): void {
    if (version < 2 || version > 5) throw this.broken(`its pickle is of protocol ${version}, knack reads 2 to 5`);
  }

  #top(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.broken("its pickle takes from an empty stack");
    return this.#stack.at(-1);
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #tuple(length: number): unknown[] {
    if (this.#stack.length - length < (this.#marks.at(-1) ?? 0)) {
      throw this.broken("its pickle takes from an empty stack");
    }
    return this.#stack.splice(this.#stack.length - length);
  }

  #popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.broken("its pickle takes from an empty stack");
    return this.#stack.splice(mark);
  }

  #integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) throw this.broken(`its pickle has an integer of ${length} bytes`);
    if (length === 0) return 0;
    const hex = Buffer.from(this.#input.take(length)).reverse().toString("hex");
    const value = BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #stackGlobal(): unknown {
    const [module, name] = this.#tuple(2);
    if (typeof module === "string" && typeof name === "string") return this.#world.global(`${module}.${name}`);
    throw this.broken("its pickle asks for something without a name");
  }

  #remembered(index: number): unknown {
    if (!this.#memo.has(index)) throw this.broken(`its pickle asks for its value ${index} before it has one`);
    return this.#memo.get(index);
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (list instanceof Unread) return;
    if (!Array.isArray(list)) throw this.broken(`its pickle appends to ${kindOf(list)}`);
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (dict instanceof Unread) return;
    if (!(dict instanceof Map)) throw this.broken(`its pickle sets items of ${kindOf(dict)}`);
    if (items.length % 2 !== 0) throw this.broken("its pickle sets a key without a value");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #addItems(items: readonly unknown[]): void {
    const set = this.#top();
    if (set instanceof Unread) return;
    if (!(set instanceof Set)) throw this.broken(`its pickle adds to ${kindOf(set)}`);
    for (const item of items) set.add(item);
  }

  #call(): unknown {
    const args = this.#pop();
    const called = this.#pop();
    if (!(called instanceof PickleFunction)) throw this.broken(`its pickle calls ${kindOf(called)}`);
    if (!Array.isArray(args)) throw this.broken(`its pickle calls ${called.name} with ${kindOf(args)}`);
    return called.call(args, this);
  }
}

/** What a value is, for messages: its contents may be endless. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "a dict";
  if (value instanceof Unread) return `a ${value.kind}`;
  if (value instanceof PickleFunction) return value.name;
  return typeof value === "object" ? `a ${value.constructor.name}` : `a ${typeof value}`;
}
