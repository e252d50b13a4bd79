import { types } from "node:util";
import { addon, type Handle } from "../native/torch/addon.js";
import { Generator } from "./generator.js";
import { Tensor } from "./tensor.js";

/** What a schema's argument can be given: undefined takes its default, null is None, strings name dtypes, formats, devices. */
export type Argument =
  | Tensor
  | Generator
  | number
  | boolean
  | string
  | null
  | undefined
  | readonly (Tensor | number | boolean)[];

/** One call of an operator, as it happened. */
export interface OperatorCall {
  /** "aten::add.Tensor"; without a dot where the overload has no name. */
  readonly operator: string;
  readonly arguments: readonly Argument[];
  /** One tensor, or an array of tensors and other values. An operator in place gives its first argument back. */
  readonly result: unknown;
}

let observer: ((call: OperatorCall) => void) | undefined;

/** Runs `body` while every operator call of this thread is shown to `observe`, after it happened. */
export function observingCalls<T>(observe: (call: OperatorCall) => void, body: () => T): T {
  const outer = observer;
  observer = observe;
  try {
    return body();
  } finally {
    observer = outer;
  }
}

/**
 * Runs `body`, whose operator calls observers see as this one call with these arguments: something a reader of the calls cannot take
 * apart, as a random mask.
 */
export function asOneCall(name: string, given: readonly Argument[], body: () => Tensor): Tensor {
  const result = unobserved(body);
  observer?.({ operator: name, arguments: given, result });
  return result;
}

/** Runs `body`, whose operator calls are shown to nobody: bookkeeping that is no part of what is computed. */
export function unobserved<T>(body: () => T): T {
  const outer = observer;
  observer = undefined;
  try {
    return body();
  } finally {
    observer = outer;
  }
}

function fullName(name: string, overload: string): string {
  return overload === "" ? name : `${name}.${overload}`;
}

/**
 * An ATen operator by its schema name, as "aten::add" with overload "Tensor". It is looked up at the first call, so a
 * libtorch that lacks it is an error only for those who use it.
 */
export function operator(name: string, overload = ""): (...args: Argument[]) => unknown {
  let index: number | undefined;
  return (...args) => {
    index ??= addon.findOperator(name, overload);
    const result = wrap(addon.call(index, args.map(unwrap)));
    observer?.({ operator: fullName(name, overload), arguments: args, result });
    return result;
  };
}

/** An operator whose result is one tensor. */
export function tensorOperator(name: string, overload = ""): (...args: Argument[]) => Tensor {
  const call = operator(name, overload);
  return (...args) => call(...args) as Tensor;
}

/** An operator that changes its first argument: that tensor is returned, not a second handle to it. */
export function inPlaceOperator(name: string, overload = ""): (self: Tensor, ...args: Argument[]) => Tensor {
  let index: number | undefined;
  return (self, ...args) => {
    index ??= addon.findOperator(name, overload);
    const alias = addon.call(index, [unwrap(self), ...args.map(unwrap)]);
    if (types.isExternal(alias)) addon.dispose(alias as unknown as Handle);
    observer?.({ operator: fullName(name, overload), arguments: [self, ...args], result: self });
    return self;
  };
}

function unwrap(argument: Argument): unknown {
  if (argument instanceof Tensor) return Tensor.handleOf(argument);
  if (argument instanceof Generator) return Generator.handleOf(argument);
  if (Array.isArray(argument)) return argument.map(unwrap);
  return argument;
}

function wrap(result: unknown): unknown {
  if (types.isExternal(result)) return new Tensor(result as unknown as Handle);
  if (Array.isArray(result)) return result.map(wrap);
  return result;
}
