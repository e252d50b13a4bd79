/**
 * Linear scaling of the learning rate, section 3.1: `eta = lr * b / 256`.
 *
 * A larger batch makes the gradient less noisy, so the step may grow with it.
 *
 * @param lr the learning rate that suits `referenceBatch` images a step (0.1 in the paper)
 * @param batchSize `b`, the GLOBAL batch: images per optimizer step over all processes and accumulation steps
 */
export function scaledLearningRate(lr: number, batchSize: number, referenceBatch = 256): number {
  return (lr * batchSize) / referenceBatch;
}
