import { InputError } from "../../base/errors.js";
import { noGradient } from "../../tensor/autograd.js";
import { unobserved } from "../../tensor/operator.js";
import { addScalar, batchNorm, copyInPlace, full } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type LayerCost, Module, Parameter, StateBuffer } from "../module.js";
import { NORM } from "../parameter-role.js";
import { type Synchronised, synchronisedBatchNorm } from "./synchronised-norm.js";

/** Batch normalisation over [N, C, H, W], PyTorch's defaults. Its parameters and statistics stay float32 in 16-bit training. */
export class BatchNorm2d extends Module {
  /** gamma, [C] */
  readonly weight: Parameter;
  /** beta, [C] */
  readonly bias: Parameter;
  readonly running_mean: StateBuffer;
  readonly running_var: StateBuffer;
  /** int64 scalar, kept because PyTorch's state dicts have it. */
  readonly num_batches_tracked: StateBuffer;
  /** Where the statistics of a batch are those of several processes' batches together. */
  synchronised: Synchronised | undefined;

  constructor(
    readonly channels: number,
    readonly eps = 1e-5,
    readonly momentum = 0.1,
  ) {
    super();
    this.weight = Parameter.of(full([channels], 1), NORM);
    this.bias = Parameter.of(full([channels], 0), NORM);
    this.running_mean = StateBuffer.of(full([channels], 0));
    this.running_var = StateBuffer.of(full([channels], 1));
    this.num_batches_tracked = StateBuffer.of(full([], 0, "int64"));
  }

  override forward(input: Tensor): Tensor {
    if (this.training) {
      if (input.size === this.channels && !this.synchronised)
        throw new InputError(
          `batch norm: ${input.shape} is one value a channel, and training needs more: give a larger batch or larger images`,
        );
      this.countBatch();
    }
    if (this.training && this.synchronised) return synchronisedBatchNorm(input, this, this.synchronised);
    const { training, momentum, eps } = this;
    return batchNorm(input, this.weight, this.bias, this.running_mean, this.running_var, { training, momentum, eps });
  }

  override cost(input: readonly number[]): LayerCost {
    return { outputShape: input, multiplyAdds: 0 };
  }

  /** One more batch has gone into the running statistics. */
  countBatch(): void {
    unobserved(() =>
      noGradient(() => {
        using next = addScalar(this.num_batches_tracked, 1);
        copyInPlace(this.num_batches_tracked, next);
      }),
    );
  }
}
