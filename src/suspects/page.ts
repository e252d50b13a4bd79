import { printable } from "../base/printable.js";
import { html, nameHtml } from "../pages/html.js";
import { page } from "../pages/page.js";
import { whole } from "../report/figures-text.js";
import { REPORT_STYLE } from "../report/report-style.js";
import { cardsOf } from "../report/sections/cards.js";
import type { FoundSuspects } from "./find-suspects.js";

/** A page of more would take its reader's patience, and its browser's memory. */
const MOST = 500;

/** The images whose label is probably wrong, the least likely label first, as one page with their pictures. */
export async function suspectsPage(run: string, list: string, found: FoundSuspects): Promise<string> {
  const { suspects, images, folds } = found;
  const shown = suspects.slice(0, MOST);
  const seen =
    folds > 0
      ? `all ${whole(images)} images, each by the one of ${folds} networks`
      : `${whole(images)} images that were held out, by a network`;
  const lead = html`<p class="lead">${whole(suspects.length)} of ${whole(images)} labels are probably wrong${
    shown.length < suspects.length ? `; shown are the ${whole(shown.length)} least likely` : ""
  }.</p>
<p class="remarks">Looked at are ${seen} that has not seen them: confident learning (Northcutt, Jiang and Chuang, 2021), the least likely label first. On top of each card what the network takes it for, and how
surely; below its label, and the probability of that. Hard pictures gather here too: take the rows of those that are labelled right out of ${nameHtml(list)}, and train without the others by
<code>knack train --exclude</code>.</p>`;
  const cards = await cardsOf(shown);
  const body =
    suspects.length === 0 ? html`<p>None: no label is unlikely enough.</p>` : html`<div class="cards">${cards}</div>`;
  return page({
    title: printable(`${run}: probably wrong labels`),
    lead,
    sections: [{ title: "Suspects", body }],
    style: REPORT_STYLE,
  });
}
