import type { Writable } from "node:stream";
import type { SingleBar } from "cli-progress";
import type { TrainEvent } from "../../run/events.js";
import { formatDuration } from "./progress.js";
import { progressBar } from "./progress-bar.js";

/** Several runs one after the other, for who looks at `out`: lines, and on a terminal a bar below them for the run under way. */
export class RunBar {
  #bar: SingleBar | undefined;
  #closed = false;
  #started = 0;
  /** Seconds of each run that this process finished from its beginning on. */
  readonly #durations: number[] = [];

  /** @param clock seconds, from any origin */
  constructor(
    private readonly out: Writable,
    private readonly terminal: boolean,
    private readonly clock: () => number,
  ) {}

  print(...lines: string[]): void {
    this.#clear();
    for (const line of lines) this.out.write(`${line}\n`);
  }

  /** A run begins. */
  begin(): void {
    this.#started = this.clock();
  }

  /** @param place which run it is: "fold 2/5" */
  step(place: string, event: TrainEvent): void {
    if (!this.terminal || this.#closed || event.type !== "step") return;
    const text = `${place} | epoch ${event.epoch}/${event.epochs} | ${Math.round(event.imagesPerSecond)} images/s`;
    if (this.#bar === undefined) {
      this.#bar = progressBar("|{bar}| {percentage} % | {text}", this.out);
      this.#bar.start(event.totalSteps, event.step, { text });
    } else this.#bar.update(event.step, { text });
  }

  /**
   * The line of a run that ended.
   *
   * @param left how many runs are to come: they take the mean time of those so far
   */
  end(place: string, outcome: string, { resumed, left }: { readonly resumed: boolean; readonly left: number }): void {
    const took = this.clock() - this.#started;
    if (!resumed) this.#durations.push(took);
    const mean = this.#durations.reduce((sum, seconds) => sum + seconds, 0) / this.#durations.length;
    const remaining = left === 0 || Number.isNaN(mean) ? [] : [`about ${formatDuration(mean * left)} left`];
    this.print([place, outcome, formatDuration(took), ...remaining].join(" | "));
  }

  /** Takes the bar off the screen, and draws none any more. */
  close(): void {
    this.#closed = true;
    this.#clear();
  }

  #clear(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
