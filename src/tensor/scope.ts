import { addon } from "../native/torch/addon.js";
import { Tensor } from "./tensor.js";

/**
 * Runs `body` and frees every tensor made inside it, but for those it returns (a tensor, or arrays, maps and plain objects
 * of tensors), which pass to the enclosing scope. Outside any scope a tensor lives until `dispose()`.
 *
 * Tensors must not wait for the garbage collector: it does not see their memory and runs far too late.
 *
 * @throws TypeError where `body` is asynchronous: its tensors would be freed before it ended.
 */
export function scope<T>(body: () => T): T {
  const made = Tensor.openScope();
  let escaping = new Set<Tensor>();
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => {}); // it will fail for want of its tensors: the error below says why
      throw new TypeError("scope: the body must not be asynchronous");
    }
    escaping = tensorsIn(result);
    return result;
  } finally {
    Tensor.closeScope(made, escaping);
  }
}

/** The tensors of this thread that hold memory and have not been disposed. Equal before and after a loop that does not leak. */
export function liveTensors(): number {
  return addon.liveTensors();
}

/** Gives the memory that libtorch's allocator keeps for reuse, and no tensor holds, back to the system. */
export function releaseKeptMemory(): void {
  addon.releaseKeptMemory();
}

function tensorsIn(value: unknown, found = new Set<Tensor>()): Set<Tensor> {
  if (value instanceof Tensor) {
    found.add(value);
  } else if (Array.isArray(value) || value instanceof Set) {
    for (const element of value) tensorsIn(element, found);
  } else if (value instanceof Map) {
    for (const element of value.values()) tensorsIn(element, found);
  } else if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    for (const element of Object.values(value)) tensorsIn(element, found);
  }
  return found;
}
