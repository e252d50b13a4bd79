import { kindOf } from "../../data/kinds/kinds.js";
import { type Html, html, nameHtml } from "../../pages/html.js";
import type { Section } from "../../pages/page.js";
import type { ImagePrediction } from "../../run/predict-set.js";
import { percent, smallPercent, whole } from "../figures-text.js";
import type { Measured } from "../measure.js";
import { thumbnail } from "../thumbnail.js";

const MOST = 24;

/** The images that the network is surest and wrong about: often the labels are to blame. */
export async function mistakesSection({ set, predictions }: Measured): Promise<Section> {
  const mistakes = predictions.filter(({ label, predicted }) => label !== predicted);
  const title = "Most confident mistakes";
  if (mistakes.length === 0) {
    return { title, body: html`<p>There are none: all ${whole(predictions.length)} images are recognised.</p>` };
  }
  const shown = mistakes.toSorted((a, b) => b.confidence - a.confidence || a.index - b.index).slice(0, MOST);
  const cards = await Promise.all(shown.map((mistake) => card(set, mistake)));
  const body = html`<p class="remarks">${whole(mistakes.length)} of ${whole(predictions.length)} images are taken for another class${
    mistakes.length > shown.length ? `; these ${shown.length} with the highest confidence` : ""
  }. Wrong labels gather here too.</p>
<div class="cards">${cards}</div>`;
  return { title, body };
}

async function card(set: Measured["set"], mistake: ImagePrediction): Promise<Html> {
  const { index, label, predicted, confidence, negativeLogLikelihood } = mistake;
  const name = kindOf(set).nameOf(set, index) ?? `image ${whole(index)}`;
  const [is, taken] = [set.classes[label] as string, set.classes[predicted] as string];
  const picture = await thumbnail(set, index);
  const shown = picture
    ? html`<img src="${picture.uri}" class="${picture.pixelated ? "pixelated" : ""}" alt="">`
    : html`<span class="remarks">cannot be read any more</span>`;
  return html`<figure class="card"><div class="picture">${shown}</div><figcaption>
<p class="taken">${nameHtml(taken)} <span class="figure">${percent(confidence)}</span></p>
<p>is ${nameHtml(is)} <span class="figure">${smallPercent(Math.exp(-negativeLogLikelihood))}</span></p>
<p class="file">${nameHtml(name)}</p></figcaption></figure>\n`;
}
