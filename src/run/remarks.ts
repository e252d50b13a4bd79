import { cutJpegsText } from "../data/photos/cut-jpegs.js";
import type { AnySource } from "../data/sources/source.js";

/** A data set whose description says also what only a look into its files shows. */
export async function withRemarks(source: AnySource, shouldStop: () => boolean): Promise<AnySource> {
  if (!("kind" in source)) return source;
  const cut = await cutJpegsText([source.train, source.validation], shouldStop);
  return cut === undefined ? source : { ...source, description: `${source.description}; ${cut}` };
}
