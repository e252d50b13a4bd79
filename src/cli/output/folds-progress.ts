import type { Writable } from "node:stream";
import type { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { counted } from "../../base/printable.js";
import type { FoldEvent, FoldResultEvent, FoldsEvent, FoldTrainingEvent } from "../../folds/events.js";
import type { FoldsSummary } from "../../folds/summary.js";
import { columnsOf, remarksOf } from "../../folds/text.js";
import { valueText } from "../../metrics/metric.js";
import { top1 } from "../../metrics/top-1.js";
import { formatDuration, type Progress } from "./progress.js";
import { progressBar } from "./progress-bar.js";
import { canRedraw } from "./terminal.js";

/** Shows a training in folds to whoever looks at `out`: a line a fold, a bar on a terminal, and the table. */
export class FoldsProgress implements Pick<Progress, "close" | "awaitsStop"> {
  #bar: SingleBar | undefined;
  /** Seconds of each fold that this process trained from its beginning on. */
  readonly #durations: number[] = [];
  #started = 0;
  #current: FoldEvent | undefined;
  #described = false;
  #closed = false;
  #ended = false;

  constructor(
    private readonly out: Writable,
    private readonly clock = () => performance.now() / 1000,
  ) {}

  show(event: FoldsEvent): void {
    this.#ended ||= event.type === "interrupted" || event.type === "done";
    switch (event.type) {
      case "plan":
        this.#print(`folds: ${event.out}, ${event.finished} of ${event.folds} finished`);
        break;
      case "fold":
        this.#current = event;
        this.#started = this.clock();
        break;
      case "training":
        this.#training(event);
        break;
      case "result":
        this.#result(event);
        break;
      case "interrupted":
        this.#print(`stopped; go on with: knack train --resume ${event.out}`);
        break;
      case "done":
        this.#print("", foldsTable(event.summary), `written: ${event.files.join(", ")}`);
    }
  }

  /** Takes the bar off the screen, and draws none any more. */
  close(): void {
    this.#closed = true;
    this.#clear();
  }

  awaitsStop(): boolean {
    return !this.#ended;
  }

  #clear(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #print(...lines: string[]): void {
    this.#clear();
    for (const line of lines) this.out.write(`${line}\n`);
  }

  #training({ event, fold }: FoldTrainingEvent): void {
    if (event.type === "warning") this.#print(`fold ${fold}: warning: ${event.message}`);
    if (event.type === "audit" && !this.#described) {
      this.#described = true;
      const { model, precision, engine, data, epochs, stepsPerEpoch, batchSize } = event;
      const steps = `${counted(epochs, "epoch")} of ${counted(stepsPerEpoch, "step")} of ${counted(batchSize, "image")}`;
      this.#print(`model: ${model}, ${precision}, ${engine} engine; ${steps}`, `data: ${data}`);
    }
    if (event.type !== "step" || !canRedraw(this.out) || this.#closed || !this.#current) return;
    const text = `${place(this.#current)} | epoch ${event.epoch}/${event.epochs} | ${Math.round(event.imagesPerSecond)} images/s`;
    if (this.#bar === undefined) {
      this.#bar = progressBar("|{bar}| {percentage} % | {text}", this.out);
      this.#bar.start(event.totalSteps, event.step, { text });
    } else this.#bar.update(event.step, { text });
  }

  #result({ result }: FoldResultEvent): void {
    const current = this.#current;
    if (!current) return;
    const took = this.clock() - this.#started;
    if (!current.resumed) this.#durations.push(took);
    const outcome =
      "diverged" in result
        ? `diverged: ${result.diverged}`
        : `top-1 ${valueText(top1, result.last["top-1"] ?? 0)} (best epoch ${valueText(top1, result.best["top-1"] ?? 0)})`;
    this.#print([place(current), outcome, formatDuration(took), ...this.#left(current)].join(" | "));
  }

  /** At the mean pace of the folds so far. */
  #left({ fold, folds }: FoldEvent): string[] {
    if (fold === folds || this.#durations.length === 0) return [];
    const mean = this.#durations.reduce((sum, seconds) => sum + seconds, 0) / this.#durations.length;
    return [`about ${formatDuration(mean * (folds - fold))} left`];
  }
}

function place({ fold, folds, resumed }: FoldEvent): string {
  return `fold ${String(fold).padStart(String(folds).length)}/${folds}${resumed ? " (went on)" : ""}`;
}

function foldsTable(summary: FoldsSummary): string {
  const columns = columnsOf(summary);
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(() => "right"),
    style: { head: [], border: [], compact: true },
  });
  table.push(
    ...summary.folds.map((fold) => columns.map(({ text }) => text(fold))),
    columns.map(({ whole }) => whole),
  );
  return [summary.data, table.toString(), ...remarksOf(summary).map((remark) => `  ${remark}`)].join("\n");
}
