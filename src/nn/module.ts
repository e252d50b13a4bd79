import { requireGradient } from "../tensor/ops.js";
import { Tensor } from "../tensor/tensor.js";
import type { ParameterRole } from "./parameter-role.js";

/** A tensor that training changes: a leaf that requires a gradient. Owned by its module, outside every scope. */
export class Parameter extends Tensor {
  private constructor(
    handle: ConstructorParameters<typeof Tensor>[0],
    /** What training does with it. */
    readonly role: ParameterRole,
  ) {
    super(handle);
  }

  /** @param initial becomes the parameter: it must not be disposed */
  static of(initial: Tensor, role: ParameterRole): Parameter {
    const parameter = new Parameter(Tensor.handleOf(initial), role).keep();
    initial.keep();
    requireGradient(parameter, true);
    return parameter;
  }
}

/** A tensor that is part of a module's state but is not trained, as BN's running mean. */
export class StateBuffer extends Tensor {
  static of(initial: Tensor): StateBuffer {
    initial.keep();
    return new StateBuffer(Tensor.handleOf(initial)).keep();
  }
}

/** What a layer makes of one input, and the work of it. */
export interface LayerCost {
  /** Of what comes out. */
  readonly outputShape: readonly number[];
  /** Multiplications each followed by an addition; 0 where they do not count, as a normalisation's. */
  readonly multiplyAdds: number;
}

/**
 * A layer or a network. Its children, parameters and buffers are simply its properties, in the order they are declared in;
 * the names in a state dict are the properties' paths, so properties bear the names torchvision and timm use.
 */
export abstract class Module implements Disposable {
  /** True in training mode (batch statistics), false for evaluation (running statistics). */
  training = true;

  /** @param input usually [N, C, H, W]; stays the caller's. */
  abstract forward(input: Tensor): Tensor;

  /**
   * What this layer costs, children included, for an input of this shape. Layers have it that multiply or that cannot compute with
   * shapes alone (tensors on libtorch's "meta" device); what others cost is what their children do.
   */
  cost?(input: readonly number[]): LayerCost;

  /** Direct children by name. */
  *children(): IterableIterator<[string, Module]> {
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Module) yield [name, value];
    }
  }

  /** This module and all below it with their paths; its own path is "". */
  *modules(path = ""): IterableIterator<[string, Module]> {
    yield [path, this];
    for (const [name, child] of this.children()) yield* child.modules(path === "" ? name : `${path}.${name}`);
  }

  /** The parameters and then the buffers that are this module's own and no child's, by name. */
  *ownState(): IterableIterator<[string, Parameter | StateBuffer]> {
    for (const kind of [Parameter, StateBuffer]) {
      for (const [name, value] of Object.entries(this)) if (value instanceof kind) yield [name, value];
    }
  }

  /** All parameters with their state dict names. */
  *parameters(): IterableIterator<[string, Parameter]> {
    for (const [name, tensor] of this.state()) if (tensor instanceof Parameter) yield [name, tensor];
  }

  /** Parameters and buffers with their state dict names, in PyTorch's order. */
  *state(): IterableIterator<[string, Parameter | StateBuffer]> {
    for (const [path, module] of this.modules()) {
      for (const [name, tensor] of module.ownState()) yield [path === "" ? name : `${path}.${name}`, tensor];
    }
  }

  /** Switches this module and all below it to training or evaluation mode. */
  train(training = true): this {
    for (const [, module] of this.modules()) module.training = training;
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** Frees every parameter and buffer. */
  dispose(): void {
    for (const [, tensor] of this.state()) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Feeds `input` through layers in turn. Every intermediate is disposed as soon as the next layer has consumed it (autograd
 * keeps what backward needs), so evaluation never holds more than two at a time. `input` stays the caller's.
 */
export function chain(input: Tensor, ...layers: (Module | ((x: Tensor) => Tensor))[]): Tensor {
  let current = input;
  for (const layer of layers) {
    const next = layer instanceof Module ? layer.forward(current) : layer(current);
    if (current !== input && current !== next) current.dispose();
    current = next;
  }
  return current;
}
