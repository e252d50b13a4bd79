import { type Html, html, nameHtml } from "../../pages/html.js";
import { type Column, type Section, table } from "../../pages/page.js";
import type { ConfusedPair, Confusion, LabelledFigures } from "../confusion.js";
import { percent, whole } from "../figures-text.js";

/** A matrix of more classes is no longer read as one. */
const MOST_IN_MATRIX = 30;
const MOST_PAIRS = 20;
/** Of more classes only the worst are shown at first. */
const MOST_CLASSES = 30;
const WORST = 15;

/** What was taken for what: all of it where there are few classes, and the most frequent confusions. */
export function confusionSection(confusion: Confusion, names: readonly string[]): Section {
  const { classes, pairs } = confusion;
  const few = classes.length <= MOST_IN_MATRIX;
  const explained = few
    ? html`<p class="remarks">A row is the images of a class, a column what they were taken for; outlined are those taken right. The
stronger the colour, the larger the share of the row.</p>${matrix(confusion, names)}`
    : html`<p class="remarks">${whole(classes.length)} classes are too many for a matrix to look at: these are the most frequent
confusions.</p>`;
  const shown = pairs.slice(0, few ? MOST_PAIRS / 2 : MOST_PAIRS);
  const most =
    shown.length === 0
      ? html`<p>No image was taken for another class.</p>`
      : html`<h3>Most frequent confusions</h3>${table(pairColumns(confusion, names), shown)}`;
  return { title: "Confusion", body: html`${explained}${most}` };
}

function matrix({ classes, count: countOf }: Confusion, names: readonly string[]): Html {
  const head = names.map((name) => html`<th scope="col"><span>${nameHtml(name)}</span></th>`);
  const rows = classes.map(({ label, images }) => {
    const cells = classes.map(({ label: predicted }) => {
      const count = countOf(label, predicted);
      const share = images === 0 ? 0 : count / images;
      const style = label === predicted ? "right own" : "right";
      return html`<td class="${style}" style="--share:${share.toFixed(3)}">${count === 0 ? "" : whole(count)}</td>`;
    });
    return html`<tr><th scope="row">${nameHtml(names[label] as string)}</th>${cells}</tr>\n`;
  });
  return html`<div class="scroll"><table class="matrix" style="--classes:${classes.length}"><thead><tr><th scope="col">is \\ taken for</th>${head}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

function pairColumns({ classes }: Confusion, names: readonly string[]): Column<ConfusedPair>[] {
  const share = ({ label, images }: ConfusedPair) => percent(images / (classes[label]?.images ?? 1));
  return [
    { title: "is", cell: ({ label }) => nameHtml(names[label] as string), style: "name" },
    { title: "taken for", cell: ({ predicted }) => nameHtml(names[predicted] as string), style: "name" },
    { title: "images", cell: ({ images }) => whole(images), style: "right" },
    { title: "of the class", cell: share, style: "right" },
  ];
}

/** How often each class is recognised, the worst first. */
export function classesSection({ classes }: Confusion, names: readonly string[]): Section {
  const accuracy = ({ recall, images }: LabelledFigures) => (images === 0 ? 2 : recall);
  const sorted = classes.toSorted((a, b) => accuracy(a) - accuracy(b) || a.label - b.label);
  const columns = classColumns(names);
  const explained = html`<p class="remarks">Accuracy: the share of the class's images that are recognised (recall). Precision: the share of
the images taken for the class that are of it. F1: the harmonic mean of both. AUROC and average precision (AP): how well the class's probability tells it from all
others.</p>`;
  if (sorted.length <= MOST_CLASSES) {
    return { title: "Accuracy of each class", body: html`${explained}${table(columns, sorted)}` };
  }
  return {
    title: "Accuracy of each class",
    body: html`${explained}<h3>The ${WORST} worst</h3>${table(columns, sorted.slice(0, WORST))}
<details><summary>All ${whole(sorted.length)} classes, the worst first</summary>${table(columns, sorted)}</details>`,
  };
}

function classColumns(names: readonly string[]): Column<LabelledFigures>[] {
  const score = (value: number) => (Number.isNaN(value) ? "–" : value.toFixed(4));
  return [
    { title: "class", cell: ({ label }) => nameHtml(names[label] as string), style: "name" },
    { title: "accuracy", cell: ({ recall }) => bar(recall) },
    { title: "", cell: ({ recall, images }) => (images === 0 ? "no images" : percent(recall)), style: "right" },
    { title: "right", cell: ({ right, images }) => `${whole(right)} of ${whole(images)}`, style: "right" },
    {
      title: "precision",
      cell: ({ precision, taken }) => (taken === 0 ? "never taken" : percent(precision)),
      style: "right",
    },
    { title: "F1", cell: ({ f1, images, taken }) => (images + taken === 0 ? "–" : percent(f1)), style: "right" },
    { title: "AUROC", cell: ({ auroc }) => score(auroc), style: "right" },
    { title: "AP", cell: ({ averagePrecision }) => score(averagePrecision), style: "right" },
  ];
}

/** A share of 1 as a bar. */
export function bar(share: number): Html {
  return html`<span class="bar" style="--share:${share.toFixed(3)}"></span>`;
}
