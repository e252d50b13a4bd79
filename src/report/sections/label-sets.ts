/** Of a run whose pictures may have several labels: how well each class is found, and where the network is surest and wrong. */
import { type ClassFigures, classFiguresOf } from "../../metrics/class-figures.js";
import { type LabelSetOutcomes, shownIn } from "../../metrics/several/label-set-outcomes.js";
import { type Html, html, nameHtml } from "../../pages/html.js";
import { type Column, type Section, table } from "../../pages/page.js";
import { percent, smallPercent, whole } from "../figures-text.js";
import type { Measured } from "../measure.js";
import { bar } from "./confusion.js";
import { pictureCard } from "./cards.js";

/** Of more classes only the worst are shown at first. */
const MOST_CLASSES = 30;
const WORST = 15;
const MOST_CARDS = 24;

interface LabelFigures extends ClassFigures {
  readonly label: number;
  readonly threshold: number;
}

/** The classes by their average precision, the worst first. */
export function labelsSection(outcomes: LabelSetOutcomes, names: readonly string[]): Section {
  const order = ({ averagePrecision }: LabelFigures) => (Number.isNaN(averagePrecision) ? 2 : averagePrecision);
  const classes = classFiguresOf(outcomes).map((figures, label): LabelFigures => {
    return { ...figures, label, threshold: outcomes.thresholds[label] as number };
  });
  const sorted = classes.toSorted((a, b) => order(a) - order(b) || a.label - b.label);
  const columns = classColumns(names);
  const explained = html`<p class="remarks">AP: average precision, how well the class's probability tells the images that show it from the others.
Precision: the share of the images taken for the class that show it. Recall: the share of the images that show it which are taken for it. Both are at the threshold: an image is taken for
a class from that probability on, which is where the class's F1 is highest on the validation images. So precision, recall and F1 on these are somewhat too good, and AP and AUROC are not.</p>`;
  const title = "Each class";
  if (sorted.length <= MOST_CLASSES) return { title, body: html`${explained}${table(columns, sorted)}` };
  return {
    title,
    body: html`${explained}<h3>The ${WORST} worst</h3>${table(columns, sorted.slice(0, WORST))}
<details><summary>All ${whole(sorted.length)} classes, the worst first</summary>${table(columns, sorted)}</details>`,
  };
}

function classColumns(names: readonly string[]): Column<LabelFigures>[] {
  const score = (value: number) => (Number.isNaN(value) ? "–" : value.toFixed(4));
  return [
    { title: "class", cell: ({ label }) => nameHtml(names[label] as string), style: "name" },
    { title: "AP", cell: ({ averagePrecision }) => bar(averagePrecision || 0) },
    { title: "", cell: ({ averagePrecision }) => score(averagePrecision), style: "right" },
    { title: "images", cell: ({ images }) => whole(images), style: "right" },
    {
      title: "precision",
      cell: ({ precision, taken }) => (taken === 0 ? "never taken" : percent(precision)),
      style: "right",
    },
    { title: "recall", cell: ({ recall, images }) => (images === 0 ? "no images" : percent(recall)), style: "right" },
    { title: "F1", cell: ({ f1, images, taken }) => (images + taken === 0 ? "–" : percent(f1)), style: "right" },
    { title: "AUROC", cell: ({ auroc }) => score(auroc), style: "right" },
    { title: "threshold", cell: ({ threshold }) => percent(threshold), style: "right" },
  ];
}

/** A class that an image shows and is not taken for, or the other way round. */
interface Mistake {
  /** The image's place among those measured. */
  readonly image: number;
  readonly label: number;
  readonly isShown: boolean;
  readonly probability: number;
}

/** The images with the surest wrong answers, each once: often the labels are to blame. */
export async function labelMistakesSection({ set, outcomes, indices }: Measured<LabelSetOutcomes>): Promise<Section> {
  const title = "Most confident mistakes";
  const mistakes = mistakesIn(outcomes);
  if (mistakes.length === 0) {
    return { title, body: html`<p>There are none: of all ${whole(indices.length)} images every label is right.</p>` };
  }
  const surest = mistakes.toSorted((a, b) => sureness(b) - sureness(a) || a.image - b.image || a.label - b.label);
  const images = [...new Set(surest.map(({ image }) => image))].slice(0, MOST_CARDS);
  const cards = await Promise.all(
    images.map((image) => {
      const lines = surest.filter((mistake) => mistake.image === image).slice(0, 3);
      const shown = shownIn(outcomes, image).map((label) => set.classes[label] as string);
      return pictureCard(
        set,
        indices[image] as number,
        html`${lines.map((mistake) => mistakeLine(mistake, set.classes))}
<p>shows ${nameHtml(shown.length > 0 ? shown.join(", ") : "none of the classes")}</p>`,
      );
    }),
  );
  const body = html`<p class="remarks">${whole(mistakes.length)} of ${whole(indices.length * set.classes.length)} answers are wrong, to each class of each image one;
these are the images with the surest of them: a class that is taken to be there with the highest probability and is not labelled, or one that is labelled and has the lowest.
Missing and wrong labels gather here.</p>
<div class="cards">${cards}</div>`;
  return { title, body };
}

function mistakesIn(outcomes: LabelSetOutcomes): Mistake[] {
  return outcomes.taken.flatMap((taken, image) => {
    const shown = shownIn(outcomes, image);
    const wrong = [
      ...taken.filter((label) => !shown.includes(label)),
      ...shown.filter((label) => !taken.includes(label)),
    ];
    return wrong.map((label): Mistake => {
      const probability = outcomes.scores?.probability(image, label) ?? Number.NaN;
      return { image, label, isShown: shown.includes(label), probability };
    });
  });
}

function sureness({ isShown, probability }: Mistake): number {
  return isShown ? 1 - probability : probability;
}

function mistakeLine({ label, isShown, probability }: Mistake, names: readonly string[]): Html {
  const name = nameHtml(names[label] as string);
  const figure = html`<span class="figure">${smallPercent(probability)}</span>`;
  return isShown
    ? html`<p class="taken">misses ${name} ${figure}</p>`
    : html`<p class="taken">sees ${name} ${figure}</p>`;
}
