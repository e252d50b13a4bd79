/** Each addon takes its own handles only: those of the other are an error, and no crash. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuAddon, type NetworkHandle } from "../../src/native/cpu/addon.js";
import { addon, type Handle } from "../../src/native/torch/addon.js";
import { Tensor } from "../../src/tensor/tensor.js";

const cpu = cpuAddon();

test("a handle of the other addon is refused", { skip: cpu === undefined && "there is no fast engine" }, () => {
  assert.ok(cpu);
  using tensor = Tensor.from(Float32Array.of(1, 2, 3, 4), [1, 1, 2, 2]);
  const ofTorch = Tensor.handleOf(tensor) as unknown as NetworkHandle;
  const values = [{ shape: [1, 16, 8, 8], kind: "input" }] as const;
  const network = cpu.compile({ bfloat16: false, training: false, channelsLast: false, values, operations: [] });
  const ofCpu = network as unknown as Handle;

  const calls: Readonly<Record<string, (handle: NetworkHandle) => void>> = {
    loadParameters: (handle) => cpu.loadParameters(handle, false),
    forward: (handle) => cpu.forward(handle, 0, 0, false),
    backward: (handle) => cpu.backward(handle, 0, 0, false, false),
    times: (handle) => cpu.times(handle),
    dispose: (handle) => cpu.dispose(handle),
  };
  for (const [name, call] of Object.entries(calls)) {
    assert.throws(() => call(ofTorch), /not a compiled network/, name);
    assert.throws(() => call({} as NetworkHandle), /not a compiled network/, name);
  }
  for (const call of [addon.shape, addon.dtype, addon.toBuffer, addon.device]) {
    assert.throws(() => call(ofCpu), /expected a/, call.name);
  }
  assert.equal(addon.isDisposed(ofCpu), true);
  addon.dispose(ofCpu);
  // Neither was touched by that.
  assert.deepEqual(
    [tensor.shape, Array.from(tensor.toArray())],
    [
      [1, 1, 2, 2],
      [1, 2, 3, 4],
    ],
  );
  assert.deepEqual(cpu.times(network), []);
  cpu.dispose(network);
  assert.throws(() => cpu.times(network), /was disposed/);
});
