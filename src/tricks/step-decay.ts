/**
 * Step decay, section 2.1, the paper's baseline: the learning rate is divided by 10 at the epochs 30, 60 and 90.
 *
 * @param eta the learning rate before the first milestone
 * @param step 0-based batch, counted from the start of the run, warmup included
 * @param milestones batches from which on the rate is lower, in the same count, ascending
 * @param factor what one milestone multiplies the rate by
 */
export function stepDecayLearningRate(eta: number, step: number, milestones: readonly number[], factor = 0.1): number {
  const passed = milestones.filter((milestone) => step >= milestone).length;
  // Dividing, as the paper words it, gives 0.01 where multiplying by 0.1 gives 0.010000000000000002.
  return eta / (1 / factor) ** passed;
}
