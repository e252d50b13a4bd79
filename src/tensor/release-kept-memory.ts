import { addon } from "../native/torch/addon.js";

/** Gives the memory that libtorch's allocator keeps for reuse, and no tensor holds, back to the system. */
export function releaseKeptMemory(): void {
  addon.releaseKeptMemory();
}
