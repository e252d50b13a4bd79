import { kindOf } from "../../data/kinds/kinds.js";
import { type Html, html, nameHtml } from "../../pages/html.js";
import type { Section } from "../../pages/page.js";
import type { Outcomes } from "../../metrics/outcomes.js";
import { percent, smallPercent, whole } from "../figures-text.js";
import type { Measured } from "../measure.js";
import { thumbnail } from "../thumbnail.js";

const MOST = 24;

/** What the network makes of one image. */
interface Seen {
  /** Its number in the set. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Of the predicted class. */
  readonly confidence: number;
  /** -ln of the label's probability. */
  readonly loss: number;
}

/** The images that the network is surest and wrong about: often the labels are to blame. */
export async function mistakesSection({ set, outcomes, indices }: Measured): Promise<Section> {
  const mistakes = seen(outcomes, indices).filter(({ label, predicted }) => label !== predicted);
  const title = "Most confident mistakes";
  if (mistakes.length === 0) {
    return { title, body: html`<p>There are none: all ${whole(indices.length)} images are recognised.</p>` };
  }
  const shown = mistakes.toSorted((a, b) => b.confidence - a.confidence || a.index - b.index).slice(0, MOST);
  const cards = await Promise.all(shown.map((mistake) => card(set, mistake)));
  const body = html`<p class="remarks">${whole(mistakes.length)} of ${whole(indices.length)} images are taken for another class${
    mistakes.length > shown.length ? `; these ${shown.length} with the highest confidence` : ""
  }. Wrong labels gather here too.</p>
<div class="cards">${cards}</div>`;
  return { title, body };
}

function seen({ labels, predicted, confidences, losses }: Outcomes, indices: readonly number[]): Seen[] {
  return indices.map((index, image) => ({
    index,
    label: labels[image] as number,
    predicted: predicted[image] as number,
    confidence: confidences[image] as number,
    loss: losses[image] as number,
  }));
}

async function card(set: Measured["set"], { index, label, predicted, confidence, loss }: Seen): Promise<Html> {
  const name = kindOf(set).nameOf(set, index) ?? `image ${whole(index)}`;
  const [is, taken] = [set.classes[label] as string, set.classes[predicted] as string];
  const picture = await thumbnail(set, index);
  const shown = picture
    ? html`<img src="${picture.uri}" class="${picture.pixelated ? "pixelated" : ""}" alt="">`
    : html`<span class="remarks">cannot be read any more</span>`;
  return html`<figure class="card"><div class="picture">${shown}</div><figcaption>
<p class="taken">${nameHtml(taken)} <span class="figure">${percent(confidence)}</span></p>
<p>is ${nameHtml(is)} <span class="figure">${smallPercent(Math.exp(-loss))}</span></p>
<p class="file">${nameHtml(name)}</p></figcaption></figure>\n`;
}
