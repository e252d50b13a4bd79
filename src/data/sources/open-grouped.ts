import { alikePhotos } from "../photos/alike-photos.js";
import type { LooksOptions } from "../photos/photo-looks.js";
import { type DataSelection, openData } from "./open.js";
import { type AnySource, listOptions } from "./source.js";

/**
 * As `openData`, and where photographs are held out by chance, those that look alike are in one part: what is trained on would else be
 * measured too.
 *
 * @returns undefined where it was stopped meanwhile
 */
export async function openGrouped(
  spec: string,
  selection: DataSelection = {},
  options: LooksOptions = {},
): Promise<AnySource | undefined> {
  const opened = openData(spec, selection);
  const isDrawn = "kind" in opened && opened.split !== "given";
  if (!isDrawn || selection.held || selection.split?.duplicatesApart) return opened;
  // However they are divided, pictures come in one order.
  const all = openData(spec, listOptions(selection));
  if (!("kind" in all)) return opened;
  const alike = await alikePhotos([all.train, all.validation, ...(all.test ? [all.test] : [])], options);
  if (alike === undefined) return undefined;
  return alike.size === 0 ? opened : openData(spec, { ...selection, alike });
}
