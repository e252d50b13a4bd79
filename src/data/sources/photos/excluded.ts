import { InputError } from "../../../base/errors.js";
import { counted, quoted } from "../../../base/printable.js";
import { PictureNames } from "../tables/picture-names.js";
import { type ListedPhotos, PhotoListing } from "./photo-listing.js";

/**
 * The photographs without those that somebody listed as being for nothing, whatever part they would be in.
 *
 * @throws InputError where none of the listed ones is there, or one may be several
 */
export function withoutExcluded(listed: ListedPhotos, excluded: readonly string[] | undefined): ListedPhotos {
  if (excluded === undefined) return listed;
  const { train, validation, test, notes = [] } = listed;
  const all = PhotoListing.of([train, ...[validation, test].filter((part) => part !== undefined)]);
  const names = new PictureNames(all);
  const found = excluded.map((name) => names.find(name));
  const several = found.indexOf("several");
  if (several >= 0) {
    throw new InputError(`--exclude: several pictures end in ${quoted(excluded[several], 200)}: give more of its path`);
  }
  const out = new Set(found.flatMap((at) => (typeof at === "number" ? [all.name(at)] : [])));
  const absent = excluded.filter((_, at) => found[at] === undefined);
  if (out.size === 0) {
    throw new InputError(
      `--exclude: of the listed pictures, such as ${quoted(absent[0] ?? "", 200)}, none is in ${listed.from}`,
    );
  }
  const rest = (part: PhotoListing) => PhotoListing.of([part], (name) => !out.has(name));
  const missing =
    absent.length === 0 ? "" : ` (${absent.length.toLocaleString("en")} more that are listed are not there)`;
  return {
    ...listed,
    train: rest(train),
    validation: validation && rest(validation),
    test: test && rest(test),
    notes: [`${counted(out.size, "picture")} excluded${missing}`, ...notes],
  };
}
