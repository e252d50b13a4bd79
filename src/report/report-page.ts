import { type Html, html, nameHtml } from "../pages/html.js";
import { page, type Section } from "../pages/page.js";
import { metricsFor } from "../metrics/index.js";
import { loss } from "../metrics/loss.js";
import { valueText } from "../metrics/metric.js";
import { top1 } from "../metrics/top-1.js";
import { printable } from "../base/printable.js";
import { calibrationOf } from "./calibration.js";
import { calibrationSection } from "./sections/calibration.js";
import { confusionOf } from "./confusion.js";
import { classesSection, confusionSection } from "./sections/confusion.js";
import { curvesSection } from "./sections/curves.js";
import { factsSections } from "./sections/facts.js";
import { percent, unbroken, whole } from "./figures-text.js";
import type { Measured, Measurement } from "./measure.js";
import { mistakesSection } from "./sections/mistakes.js";
import { REPORT_STYLE } from "./report-style.js";
import type { RunRecord } from "./run-record.js";

/** A run's report as one page. */
export async function reportPage(run: RunRecord, measurement: Measurement): Promise<string> {
  const measured = "missing" in measurement ? undefined : measurement;
  const lead = html`${aboutRun(run)}${notices(run, measurement)}${measured ? measuredFigures(measured) : runFigures(run)}${testFigures(run)}`;
  const sections = [curvesSection(run), ...(measured ? await measuredSections(measured) : []), ...factsSections(run)];
  return page({ title: printable(run.name), lead, sections, style: REPORT_STYLE });
}

function aboutRun({ audit, epochs, recipe }: RunRecord): Html {
  if (!audit) return html``;
  const { model, parameters, precision, data, batchSize } = audit;
  const size = `${(parameters / 1e6).toFixed(2)} M parameters`;
  const progress = `${epochs.length} of ${audit.epochs} epochs, ${batchSize} images a step`;
  return html`<p class="lead">${model}, ${size}, ${precision}; recipe ${nameHtml(String(recipe.name))}; ${progress}</p>
<p class="lead">${nameHtml(data)}</p>`;
}

function notices({ done, audit, epochs }: RunRecord, measurement: Measurement): Html {
  const notes: string[] = [];
  if (!done) {
    const epochsDone = audit ? `${epochs.length} of its ${audit.epochs} epochs` : `${epochs.length} epochs`;
    notes.push(`The run has not come to its end: ${epochsDone} are done, and this page is about those.`);
  }
  if ("missing" in measurement) {
    notes.push(
      `${printable(measurement.missing)} So this page has no confusion matrix, accuracy of each class, calibration and mistakes.`,
    );
  } else {
    const again = otherThanRun(measurement, epochs);
    if (again) notes.push(again);
  }
  return html`${notes.map((note) => html`<p class="notice">${note}</p>`)}`;
}

/** Where the images give another top-1 than while training, they are not the run's, or the machine computes otherwise. */
function otherThanRun({ metrics, epoch }: Measured, epochs: RunRecord["epochs"]): string | undefined {
  const then = epochs.find((each) => each.epoch === epoch)?.top1;
  const now = metrics[top1.name];
  if (then === undefined || now === undefined || Math.abs(then - now) < 0.002) return undefined;
  return `The run itself measured a top-1 of ${percent(then)} after epoch ${epoch}, and the same weights now give ${percent(now)}: the data may have changed since.`;
}

/** The figures of the evaluation that the page is about. */
function measuredFigures({ predictions, metrics, checkpoint, epoch, set }: Measured): Html {
  const { ece, nll } = calibrationOf(predictions);
  // The loss is there already: it is the NLL.
  const shown = metricsFor(set.classes.length).filter((metric) => metric !== loss && metric.name in metrics);
  const unread = set.count - predictions.length;
  const after = epoch === undefined ? "" : ` (after epoch ${epoch})`;
  return html`${figureList([
    ...shown.map((metric) => [metric.title, unbroken(valueText(metric, metrics[metric.name] as number))] as const),
    ["NLL (nats)", nll.toFixed(4)],
    ["ECE", percent(ece)],
    ["images", whole(predictions.length)],
  ])}
<p class="remarks">Of the ${checkpoint} checkpoint${after}, measured again for this page in float32 on the ${whole(predictions.length)} validation
images${unread === 0 ? "" : `; ${whole(unread)} that cannot be read are left out`}.</p>`;
}

/** What the run's metrics say where nothing can be measured. */
function runFigures({ epochs }: RunRecord): Html {
  const best = epochs.toSorted((a, b) => b.top1 - a.top1)[0];
  if (!best) return html``;
  return html`${figureList([
    ["best top-1", percent(best.top1)],
    ["of epoch", String(best.epoch)],
    ["validation loss (nats)", String(best.validationLoss?.toFixed(4) ?? "not finite")],
  ])}
<p class="remarks">As the run measured them.</p>`;
}

/** What was kept for the end. */
function testFigures({ tests, audit }: RunRecord): Html {
  const known = audit?.metrics ?? [];
  return html`${tests.map(({ metrics, images, epoch, time }) => {
    const figures = known.flatMap((metric) => {
      const value = metrics[metric.name];
      return value === undefined ? [] : [[metric.title, unbroken(valueText(metric, value))] as const];
    });
    const again = time > 1 ? ` It was measured before: what was chosen by that is too good in this figure.` : "";
    return html`<h3>Test</h3>${figureList([...figures, ["images", whole(images)]])}
<p class="remarks">Of the best weights (after epoch ${epoch}) on the ${whole(images)} images that were kept for this, at the end of the run.${again}</p>`;
  })}`;
}

function figureList(figures: readonly (readonly [name: string, value: string])[]): Html {
  return html`<dl class="figures">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

async function measuredSections(measured: Measured): Promise<Section[]> {
  const { set, predictions } = measured;
  const confusion = confusionOf(predictions, set.classes.length);
  return [
    confusionSection(confusion, set.classes),
    classesSection(confusion, set.classes),
    calibrationSection(calibrationOf(predictions)),
    await mistakesSection(measured),
  ];
}
