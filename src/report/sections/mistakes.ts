import type { Outcomes } from "../../metrics/outcomes.js";
import { html } from "../../pages/html.js";
import type { Section } from "../../pages/page.js";
import { whole } from "../figures-text.js";
import type { Measured } from "../measure.js";
import { heatsOf } from "../heats.js";
import { cardsOf, type SeenImage } from "./cards.js";

const MOST = 24;

/** The images that the network is surest and wrong about: often the labels are to blame. */
export async function mistakesSection(measured: Measured<Outcomes>): Promise<Section> {
  const { set, outcomes, indices } = measured;
  const mistakes = seen(outcomes, indices).filter(({ label, predicted }) => label !== predicted);
  const title = "Most confident mistakes";
  if (mistakes.length === 0) {
    return { title, body: html`<p>There are none: all ${whole(indices.length)} images are recognised.</p>` };
  }
  const shown = mistakes.toSorted((a, b) => b.confidence - a.confidence || a.index - b.index).slice(0, MOST);
  const heats = await heatsOf(measured, shown);
  const cards = await cardsOf(shown.map((mistake, at) => ({ set, ...mistake, heat: heats[at] })));
  const explained = heats.some((heat) => heat !== undefined)
    ? " Below each picture, as the network sees it, where it saw the class that it took it for (Grad-CAM): blue nothing, red most."
    : "";
  const body = html`<p class="remarks">${whole(mistakes.length)} of ${whole(indices.length)} images are taken for another class${
    mistakes.length > shown.length ? `; these ${shown.length} with the highest confidence` : ""
  }. Wrong labels gather here too: <code>knack suspects</code> finds them.${explained}</p>
<div class="cards">${cards}</div>`;
  return { title, body };
}

function seen(
  { labels, predicted, confidences, losses }: Outcomes,
  indices: readonly number[],
): Omit<SeenImage, "set">[] {
  return indices.map((index, image) => ({
    index,
    label: labels[image] as number,
    predicted: predicted[image] as number,
    confidence: confidences[image] as number,
    ofLabel: Math.exp(-(losses[image] as number)),
  }));
}
