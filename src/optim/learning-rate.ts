/** The learning rate of a run, by optimizer step. */
export interface LearningRateSchedule {
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly warmupSteps: number;
  /** Steps at which a step decay lowers the rate; may lie past the end of a short run. */
  readonly milestones: readonly number[];
  /** The highest rate: that at the end of the warmup, after linear scaling. */
  readonly peak: number;
  /** @param step 0-based, below `totalSteps` */
  at(step: number): number;
}

/**
 * The same rate at every step: what tricks make a schedule of, one after the other.
 *
 * @param stepsPerEpoch optimizer steps, not accumulation steps
 */
export function constantRate(lr: number, epochs: number, stepsPerEpoch: number): LearningRateSchedule {
  return { totalSteps: epochs * stepsPerEpoch, stepsPerEpoch, warmupSteps: 0, milestones: [], peak: lr, at: () => lr };
}
