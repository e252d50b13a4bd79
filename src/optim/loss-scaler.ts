/** "none" for no scaling, a number for a static scale, "dynamic" for one that adapts. */
export type LossScale = "none" | "dynamic" | number;

/**
 * Keeps small fp16 gradients from vanishing (section 3.2): the loss is multiplied by the scale before backward and the
 * gradients are divided by it after. A step whose gradients overflow is skipped and counted. The dynamic scale is PyTorch's
 * GradScaler: 65536 at first, halved at an overflow, doubled after 2000 steps without one.
 */
export class LossScaler {
  static readonly #INITIAL = 65536;
  static readonly #GROWTH_INTERVAL = 2000;
  /** Smaller ones lose more than they save, and halving must not reach 0. */
  static readonly #LEAST = 2 ** -24;
  /** Halvings in a row that no scale needs. */
  static readonly #MOST_SKIPPED = 25;

  readonly #dynamic: boolean;
  /** Whether overflow is looked for at all; without a scale the gradients are taken as they are. */
  readonly active: boolean;
  scale: number;
  skippedSteps = 0;
  goodSteps = 0;
  /** Steps skipped since the last one that was taken. */
  skippedInRow = 0;

  constructor(scale: LossScale) {
    this.active = scale !== "none";
    this.#dynamic = scale === "dynamic";
    this.scale = scale === "none" ? 1 : scale === "dynamic" ? LossScaler.#INITIAL : scale;
  }

  /** Tells the scaler whether the step's gradients were all finite. */
  update(finite: boolean): void {
    if (!finite) {
      this.skippedSteps += 1;
      this.skippedInRow += 1;
      this.goodSteps = 0;
      if (this.#dynamic) this.scale = Math.max(this.scale / 2, LossScaler.#LEAST);
      return;
    }
    this.skippedInRow = 0;
    this.goodSteps += 1;
    if (this.#dynamic && this.goodSteps % LossScaler.#GROWTH_INTERVAL === 0) this.scale *= 2;
  }

  /** Whether so many steps were skipped in a row that another scale does not help. */
  get gaveUp(): boolean {
    return this.skippedInRow >= LossScaler.#MOST_SKIPPED;
  }
}
