import { basename, dirname, join, resolve } from "node:path";
import { stringify } from "csv-stringify/sync";
import { writeFileAtomic } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { entryAt } from "../base/folders.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { type FoundSuspects, findSuspects } from "./find-suspects.js";
import { suspectsPage } from "./page.js";

export interface WrittenSuspects extends FoundSuspects {
  /** The list, for `--exclude`, and the page. */
  readonly files: { readonly csv: string; readonly html: string };
}

/**
 * Finds the images whose label is probably wrong, and writes them as a list and as a page with their pictures.
 *
 * @param out the list's file, which ends in .csv; the page is beside it. Default: suspects.csv in the run's folder
 * @throws InputError as `findSuspects`, or where `out` cannot be a file; KnackError where it cannot be written
 */
export async function writeSuspects(
  run: string,
  place: EvaluationPlace,
  out = join(run, "suspects.csv"),
): Promise<WrittenSuspects> {
  const html = out.replace(/\.csv$/, ".html");
  if (html === out) throw new InputError(`--out: ${out}: the name of a list ends in .csv`);
  if (!entryAt(dirname(out))?.isDirectory()) throw new InputError(`--out: there is no folder ${dirname(out)}`);
  const found = await findSuspects(run, place);
  writeFileAtomic(out, listOf(found));
  writeFileAtomic(html, await suspectsPage(basename(resolve(run)), basename(out), found));
  return { ...found, files: { csv: out, html } };
}

function listOf({ suspects, classes }: FoundSuspects): string {
  const rounded = (probability: number) => Number(probability.toPrecision(6));
  return stringify([
    ["path", "class", "predicted", "of_class", "confidence"],
    ...suspects.map(({ name, label, predicted, ofLabel, confidence }) => {
      return [name, classes[label], classes[predicted], rounded(ofLabel), rounded(confidence)];
    }),
  ]);
}
