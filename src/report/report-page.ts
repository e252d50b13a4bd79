import { type Html, html, nameHtml } from "../pages/html.js";
import { page, type Section } from "../pages/page.js";
import { type Interval, intervalsOf } from "../metrics/bootstrap.js";
import { calibrationOf } from "../metrics/calibration.js";
import { type AnyOutcomes, METRICS, metricsFor } from "../metrics/index.js";
import type { MetricFacts } from "../metrics/metric.js";
import type { Outcomes } from "../metrics/outcomes.js";
import { LABEL_SET_METRICS } from "../metrics/several/index.js";
import type { LabelSetOutcomes } from "../metrics/several/label-set-outcomes.js";
import { top1 } from "../metrics/top-1.js";
import { metricsOf, selectedOf } from "../run/metric-fields.js";
import { printable } from "../base/printable.js";
import { calibrationSection } from "./sections/calibration.js";
import { confusionOf } from "./confusion.js";
import { classesSection, confusionSection } from "./sections/confusion.js";
import { curvesSection } from "./sections/curves.js";
import { factsSections } from "./sections/facts.js";
import { percent, whole } from "./figures-text.js";
import type { Measured, Measurement } from "./measure.js";
import { labelMistakesSection, labelsSection } from "./sections/label-sets.js";
import { type Figure, headline, metricsSection, textOf } from "./sections/metrics.js";
import { mistakesSection } from "./sections/mistakes.js";
import { REPORT_STYLE } from "./report-style.js";
import type { RunRecord } from "./run-record.js";

/** A run's report as one page. */
export async function reportPage(run: RunRecord, measurement: Measurement): Promise<string> {
  const measured = "missing" in measurement ? undefined : measurement;
  const shown = measured ? metricsFor(measured.outcomes) : [];
  const intervals = measured ? intervalsFor(measured.outcomes, shown) : new Map<string, Interval>();
  const figures = measured ? measuredFigures(run, measured, shown, intervals) : runFigures(run);
  const lead = html`${aboutRun(run)}${notices(run, measurement)}${figures}${testFigures(run)}`;
  const ofImages = measured ? await measuredSections(measured, intervals) : [];
  const sections = [curvesSection(run), ...ofImages, ...factsSections(run)];
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
function measuredFigures(
  run: RunRecord,
  { indices, metrics, checkpoint, epoch, set }: Measured,
  shown: readonly MetricFacts[],
  intervals: ReadonlyMap<string, Interval>,
): Html {
  const selected = selectedOf(run.metrics) ?? top1;
  const unread = set.count - indices.length;
  const after = epoch === undefined ? "" : ` (after epoch ${epoch})`;
  const chosen =
    checkpoint === "best" && run.epochs.length > 1
      ? html` It is the best of ${run.epochs.length} epochs by the ${selected.higherIsBetter ? "highest" : "lowest"} ${selected.title}, of equal ones the
later: chosen on the same images, so its figures are somewhat too good.`
      : html``;
  return html`${figureList([
    ...headline(shown, selected.name, metrics, intervals),
    { name: "images", value: whole(indices.length) },
  ])}
<p class="remarks">Of the ${checkpoint} checkpoint${after}, measured again for this page in float32 on the ${whole(indices.length)} validation
images${unread === 0 ? "" : `; ${whole(unread)} that cannot be read are left out`}.${chosen}
Below figures: their 95 % intervals, as under Metrics.</p>`;
}

/** What the run's metrics say where nothing can be measured. */
function runFigures({ epochs, metrics, audit }: RunRecord): Html {
  const selected = selectedOf(metrics) ?? top1;
  const best = epochs.findLast((epoch) => epoch.best) ?? epochs.at(-1);
  if (!best) return html``;
  const value = metricsOf(best)[selected.name];
  return html`${figureList([
    ...(selected.name === top1.name || value === undefined
      ? []
      : [{ name: `best ${selected.title}`, value: textOf(selected, value) }]),
    ...(audit?.task === "multi-label"
      ? []
      : [{ name: selected.name === top1.name ? "best top-1" : "top-1", value: percent(best.top1) }]),
    { name: "of epoch", value: String(best.epoch) },
    { name: "validation loss (nats)", value: String(best.validationLoss?.toFixed(4) ?? "not finite") },
  ])}
<p class="remarks">As the run measured them.</p>`;
}

/** What was kept for the end. */
function testFigures({ tests, audit }: RunRecord): Html {
  const known = audit?.metrics ?? [];
  return html`${tests.map(({ metrics, images, epoch, time }) => {
    const figures = known.flatMap((metric) => {
      const value = metrics[metric.name];
      return value === undefined ? [] : [{ name: metric.title, value: textOf(metric, value) }];
    });
    const again = time > 1 ? ` It was measured before: what was chosen by that is too good in this figure.` : "";
    return html`<h3>Test</h3>${figureList([...figures, { name: "images", value: whole(images) }])}
<p class="remarks">Of the best weights (after epoch ${epoch}) on the ${whole(images)} images that were kept for this, at the end of the run.${again}</p>`;
  })}`;
}

function figureList(figures: readonly Figure[]): Html {
  return html`<dl class="figures">${figures.map(({ name, value, interval }) => {
    const range = interval === undefined ? html`` : html`<dd class="interval">${interval}</dd>`;
    return html`<div><dt>${name}</dt><dd>${value}</dd>${range}</div>`;
  })}</dl>`;
}

/** Of those that are shown. */
function intervalsFor(outcomes: AnyOutcomes, shown: readonly MetricFacts[]): ReadonlyMap<string, Interval> {
  const isShown = ({ name }: MetricFacts) => shown.some((metric) => metric.name === name);
  return "labelSets" in outcomes
    ? intervalsOf(outcomes, LABEL_SET_METRICS.filter(isShown))
    : intervalsOf(outcomes, METRICS.filter(isShown));
}

function measuredSections(measured: Measured, intervals: ReadonlyMap<string, Interval>): Promise<Section[]> {
  const { outcomes } = measured;
  return "labelSets" in outcomes
    ? sectionsOfSets({ ...measured, outcomes }, intervals)
    : sectionsOfClasses({ ...measured, outcomes }, intervals);
}

async function sectionsOfSets(
  measured: Measured<LabelSetOutcomes>,
  intervals: ReadonlyMap<string, Interval>,
): Promise<Section[]> {
  const { set, outcomes, metrics } = measured;
  return [
    metricsSection(LABEL_SET_METRICS, outcomes, metrics, intervals),
    labelsSection(outcomes, set.classes),
    await labelMistakesSection(measured),
  ];
}

async function sectionsOfClasses(
  measured: Measured<Outcomes>,
  intervals: ReadonlyMap<string, Interval>,
): Promise<Section[]> {
  const { set, outcomes, metrics } = measured;
  const confusion = confusionOf(outcomes);
  return [
    metricsSection(METRICS, outcomes, metrics, intervals),
    confusionSection(confusion, set.classes),
    classesSection(confusion, set.classes),
    calibrationSection(calibrationOf(outcomes), metrics.loss ?? Number.NaN, measured.calibration),
    await mistakesSection(measured),
  ];
}
