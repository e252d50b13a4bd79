/**
 * Cosine decay, section 5.1, equation 1: `eta_t = 1/2 (1 + cos(t pi / T)) eta`.
 *
 * @param eta the learning rate to decay from
 * @param t batches since the end of the warmup: 0 at the first batch after it; `0 <= t < T`
 * @param T all batches of the run WITHOUT those of the warmup
 */
export function cosineLearningRate(eta: number, t: number, T: number): number {
  return 0.5 * (1 + Math.cos((t * Math.PI) / T)) * eta;
}
