import type { Writable } from "node:stream";
import { counted } from "../../base/printable.js";
import type { FoldEvent, FoldResultEvent, FoldsEvent, FoldTrainingEvent } from "../../folds/events.js";
import type { FoldsSummary } from "../../folds/summary.js";
import { columnsOf, remarksOf } from "../../folds/text.js";
import { valueText } from "../../metrics/metric.js";
import { top1 } from "../../metrics/top-1.js";
import { fittingTable } from "./fitting-table.js";
import { engineText, type Progress } from "./progress.js";
import { RunBar } from "./run-bar.js";
import { canRedraw } from "./terminal.js";

/** Shows a training in folds to whoever looks at `out`: a line a fold, a bar on a terminal, and the table. */
export class FoldsProgress implements Pick<Progress, "close" | "awaitsStop"> {
  readonly #bar: RunBar;
  #current: FoldEvent | undefined;
  #described = false;
  #ended = false;

  readonly #out: Writable;

  constructor(out: Writable, clock = () => performance.now() / 1000) {
    this.#out = out;
    this.#bar = new RunBar(out, canRedraw(out), clock);
  }

  show(event: FoldsEvent): void {
    this.#ended ||= event.type === "interrupted" || event.type === "done";
    switch (event.type) {
      case "plan":
        this.#bar.print(`folds: ${event.out}, ${event.finished} of ${event.folds} finished`);
        break;
      case "fold":
        this.#current = event;
        this.#bar.begin();
        break;
      case "training":
        this.#training(event);
        break;
      case "result":
        this.#result(event);
        break;
      case "interrupted":
        this.#bar.print(`stopped; go on with: knack train --resume ${event.out}`);
        break;
      case "done":
        this.#bar.print("", foldsTable(event.summary, this.#out), `written: ${event.files.join(", ")}`);
    }
  }

  close(): void {
    this.#bar.close();
  }

  awaitsStop(): boolean {
    return !this.#ended;
  }

  #training({ event, fold }: FoldTrainingEvent): void {
    if (event.type === "warning") this.#bar.print(`fold ${fold}: warning: ${event.message}`);
    if (event.type === "audit" && !this.#described) {
      this.#described = true;
      const { model, precision, data, epochs, stepsPerEpoch, batchSize } = event;
      const steps = `${counted(epochs, "epoch")} of ${counted(stepsPerEpoch, "step")} of ${counted(batchSize, "image")}`;
      this.#bar.print(`model: ${model}, ${precision}, ${engineText(event)}; ${steps}`, `data: ${data}`);
    }
    if (this.#current) this.#bar.step(place(this.#current), event);
  }

  #result({ result }: FoldResultEvent): void {
    const current = this.#current;
    if (!current) return;
    const outcome =
      "diverged" in result
        ? `diverged: ${result.diverged}`
        : `top-1 ${valueText(top1, result.last["top-1"] ?? 0)} (best epoch ${valueText(top1, result.best["top-1"] ?? 0)})`;
    this.#bar.end(place(current), outcome, { resumed: current.resumed, left: current.folds - current.fold });
  }
}

function place({ fold, folds, resumed }: FoldEvent): string {
  return `fold ${String(fold).padStart(String(folds).length)}/${folds}${resumed ? " (went on)" : ""}`;
}

function foldsTable(summary: FoldsSummary, out: Writable): string {
  const columns = columnsOf(summary).map(({ title, text, whole }) => {
    return { title, align: "right", cells: [...summary.folds.map(text), whole] } as const;
  });
  return [summary.data, fittingTable(columns, out), ...remarksOf(summary).map((remark) => `  ${remark}`)].join("\n");
}
