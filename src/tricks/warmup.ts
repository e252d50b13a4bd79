/**
 * Gradual warmup, section 3.1: at batch `i`, `1 <= i <= m`, the learning rate is `i * eta / m`.
 *
 * At the start all weights are random and a large step is unstable; the rate grows linearly, batch by batch, from 0 to `eta`.
 *
 * @param eta the learning rate that the warmup ends with
 * @param step 0-based, so the paper's `i` is `step + 1`; `0 <= step < warmupSteps`
 * @param warmupSteps `m`, in batches
 */
export function warmupLearningRate(eta: number, step: number, warmupSteps: number): number {
  // The quotient comes first: it is exactly 1 at the last step, so rounding never carries the rate above eta.
  return eta * ((step + 1) / warmupSteps);
}
