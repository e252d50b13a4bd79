import { kindOf } from "../../data/kinds/kinds.js";
import type { LabelledSet } from "../../data/split.js";
import { type Html, html, nameHtml } from "../../pages/html.js";
import { percent, smallPercent, whole } from "../figures-text.js";
import { type Thumbnail, thumbnail } from "../thumbnail.js";

/** An image, and what a network makes of it. */
export interface SeenImage {
  readonly set: LabelledSet;
  /** Its number in the set. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted class, and of the label. */
  readonly confidence: number;
  readonly ofLabel: number;
  /** Where the predicted class was seen. */
  readonly heat?: Thumbnail | undefined;
}

/** Each image as a picture with what it was taken for and what it is. */
export function cardsOf(images: readonly SeenImage[]): Promise<Html[]> {
  return Promise.all(images.map(card));
}

function card({ set, index, label, predicted, confidence, ofLabel, heat }: SeenImage): Promise<Html> {
  const [is, taken] = [set.classes[label] as string, set.classes[predicted] as string];
  const lines = html`<p class="taken">${nameHtml(taken)} <span class="figure">${percent(confidence)}</span></p>
<p>is ${nameHtml(is)} <span class="figure">${smallPercent(ofLabel)}</span></p>`;
  return pictureCard(set, index, lines, heat);
}

/** An image of a set, with some lines below it and its name. @param heat another picture of it */
export async function pictureCard(set: LabelledSet, index: number, lines: Html, heat?: Thumbnail): Promise<Html> {
  const name = kindOf(set).nameOf(set, index) ?? `image ${whole(index)}`;
  const picture = await thumbnail(set, index);
  const shown = picture ? imageOf(picture) : html`<span class="remarks">cannot be read any more</span>`;
  const why = heat ? html`<div class="picture">${imageOf(heat)}</div>` : html``;
  return html`<figure class="card"><div class="picture">${shown}</div>${why}<figcaption>
${lines}
<p class="file">${nameHtml(name)}</p></figcaption></figure>\n`;
}

function imageOf({ uri, pixelated }: Thumbnail): Html {
  return html`<img src="${uri}" class="${pixelated ? "pixelated" : ""}" alt="">`;
}
