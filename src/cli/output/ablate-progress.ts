import { counted } from "../../base/printable.js";
import type { Writable } from "node:stream";
import type { TableDocument } from "../../ablation/output/table-document.js";
import type { AblationEvent, BudgetChoice, PlanEvent, ResultEvent, RunEvent } from "../../ablation/events.js";
import { columnsOf, remarksOf } from "../../ablation/output/table-text.js";
import type { FinishedRun } from "../../ablation/runs/results.js";
import { type MetricFacts, valueText } from "../../metrics/metric.js";
import { comparedBy } from "../../ablation/tables/table.js";
import { top1 } from "../../metrics/top-1.js";
import type { Recipe } from "../../recipe/recipe.js";
import { peakLearningRate } from "../../recipe/learning-rate-schedule.js";
import { fittingTable } from "./fitting-table.js";
import { formatDuration } from "./progress.js";
import { RunBar } from "./run-bar.js";
import { canRedraw } from "./terminal.js";

/** Shows an ablation to whoever looks at `out`: the plan, a line a run, a bar on a terminal, and the table. */
export function createAblationProgress(out: Writable, clock = () => performance.now() / 1000): AblationProgress {
  return new AblationProgress(out, clock);
}

export class AblationProgress {
  readonly #bar: RunBar;
  #current: RunEvent | undefined;
  /** What rows are compared by. */
  #metric: MetricFacts = top1;
  #ended = false;

  readonly #out: Writable;

  constructor(out: Writable, clock: () => number) {
    this.#out = out;
    this.#bar = new RunBar(out, canRedraw(out), clock);
  }

  show(event: AblationEvent): void {
    this.#ended ||= event.type === "interrupted" || event.type === "done";
    switch (event.type) {
      case "checking":
        this.#bar.print(`checking ${event.rows} rows${event.timed ? " and timing their steps" : ""} …`);
        break;
      case "plan":
        this.#metric = comparedBy(event.table);
        this.#bar.print(...planLines(event));
        break;
      case "run":
        this.#current = event;
        this.#bar.begin();
        break;
      case "training":
        if (this.#current) this.#bar.step(place(this.#current), event.event);
        break;
      case "result":
        this.#result(event);
        break;
      case "interrupted":
        if (event.document && event.document.finishedRuns > 0)
          this.#bar.print("", tableText(event.document, this.#out));
        this.#bar.print("stopped; the same command goes on from here");
        break;
      case "done":
        this.#bar.print("", tableText(event.document, this.#out), `written: ${event.files.join(", ")}`);
    }
  }

  close(): void {
    this.#bar.close();
  }

  /** Whether people are to be told that the ablation is stopping. */
  awaitsStop(): boolean {
    return !this.#ended;
  }

  #result({ result }: ResultEvent): void {
    const current = this.#current;
    if (!current) return;
    const outcome = "diverged" in result ? `diverged: ${result.diverged}` : this.#outcome(result);
    this.#bar.end(place(current), outcome, { resumed: current.resumed, left: current.of - current.number });
  }

  #outcome({ last, best }: FinishedRun): string {
    const { name, title } = this.#metric;
    const [now, most] = [last, best].map((values) => valueText(this.#metric, values[name] ?? Number.NaN));
    return `${title} ${now} (best ${most})`;
  }
}

function place({ run, number, of, resumed }: RunEvent): string {
  const what = run.row ? `${run.row.name}, seed ${run.seed}` : `the teacher, ${run.recipe.model}`;
  return `[${String(number).padStart(String(of).length)}/${of}] ${what}${resumed ? " (went on)" : ""}`;
}

function planLines({ out, table, data, seeds, runs, finished, budget }: PlanEvent): string[] {
  const { title, comparison, rows, notes, teacher } = table;
  const width = Math.max(...rows.map(({ name }) => name.length));
  return [
    `ablation: ${out}`,
    `table: ${title}`,
    `data: ${data}`,
    "rows:",
    ...rows.map(({ name, recipe }) => `  ${name.padEnd(width)}  ${recipeText(recipe)}`),
    `compared: ${comparison}`,
    ...notes.map((note) => `note: ${note}`),
    ...(budget ? budgetLines(budget) : []),
    `runs: ${rows.length} rows x ${counted(seeds.length, "seed")} (${seeds.join(", ")})${teacher ? " and a teacher" : ""} = ${runs}` +
      (finished > 0 ? `, ${finished} of them finished already` : ""),
  ];
}

function recipeText(recipe: Recipe): string {
  const { model, epochs, batchSize } = recipe;
  const peak = Number(peakLearningRate(recipe).toPrecision(4));
  return `${model}, ${counted(epochs, "epoch")}, batch ${batchSize}, lr ${peak}`;
}

function budgetLines({ budget, expected, asked, chosen }: BudgetChoice): string[] {
  const changes = [
    chosen.epochs < asked.epochs ? `${chosen.epochs} epochs instead of ${asked.epochs}` : "",
    chosen.trainShare < asked.trainShare ? `${100 * chosen.trainShare} % of the training images` : "",
    chosen.seeds < asked.seeds ? `${chosen.seeds} seeds instead of ${asked.seeds}` : "",
  ].filter(Boolean);
  const choice = changes.length > 0 ? changes.join(", ") : "all that was asked for fits";
  return [`budget: ${formatDuration(budget)}: ${choice}; expected: about ${formatDuration(expected)}`];
}

function tableText(document: TableDocument, out: Writable): string {
  const columns = columnsOf(document).map(({ title, align, text }) => ({
    title,
    align,
    cells: document.rows.map(text),
  }));
  const { title, data } = document;
  return [title, data, fittingTable(columns, out), ...remarksOf(document).map((remark) => `  ${remark}`)].join("\n");
}
