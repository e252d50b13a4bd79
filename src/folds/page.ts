import { printable } from "../base/printable.js";
import { html, nameHtml } from "../pages/html.js";
import { page, table } from "../pages/page.js";
import { calibrationOf } from "../metrics/calibration.js";
import { sumOver } from "../metrics/outcomes.js";
import { confusionOf } from "../report/confusion.js";
import { unbroken } from "../report/figures-text.js";
import { REPORT_STYLE } from "../report/report-style.js";
import { calibrationSection } from "../report/sections/calibration.js";
import { classesSection, confusionSection } from "../report/sections/confusion.js";
import { outcomesTogether } from "./fold-predictions.js";
import type { FoldOutcome, FoldsSummary } from "./summary.js";
import { columnsOf, estimateText, remarksOf } from "./text.js";

/** Where a figure may be broken on a narrow page. */
const BETWEEN = " ± ";

/** The folds' figures, and what is measured of all images together, as one page. */
export function foldsPage(name: string, summary: FoldsSummary, outcomes: readonly FoldOutcome[]): string {
  const images = outcomes.flatMap((outcome) => ("predictions" in outcome ? outcome.predictions.images : []));
  const { metrics, folds, classes, data } = summary;
  const figures = metrics.map(
    (metric) =>
      html`<div><dt>${metric.title}</dt><dd>${estimateText(metric).split(BETWEEN).map(unbroken).join(BETWEEN)}</dd></div>`,
  );
  const lead = html`<p class="lead">${folds.length} folds; ${nameHtml(data)}</p>
<dl class="figures">${figures}</dl>
<ul class="remarks">${remarksOf(summary).map((remark) => html`<li>${remark}</li>`)}</ul>`;
  const columns = columnsOf(summary).map(({ title, text }) => ({
    title,
    cell: text,
    style: title === "fold" ? "" : "right",
  }));
  const body = html`${table(columns, folds)}
<p class="remarks">Each is a run, with a report of its own by knack report ${nameHtml(`${name}/fold-1`)}.</p>`;
  const sections = [{ title: "Folds", body }];
  if (images.length > 0) {
    const together = outcomesTogether(images, classes.length);
    const confusion = confusionOf(together);
    sections.push(
      confusionSection(confusion, classes),
      classesSection(confusion, classes),
      calibrationSection(
        calibrationOf(together),
        sumOver(together, (image) => together.losses[image] as number) / images.length,
      ),
    );
  }
  return page({ title: printable(name), lead, sections, style: REPORT_STYLE });
}
