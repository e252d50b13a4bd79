import { InputError } from "../../base/errors.js";
import { quoted } from "../../base/printable.js";
import { assigned, type ClassFound, type Labelled } from "./assignment.js";

/**
 * Divides items into folds of equal size, each class too, as far as groups allow.
 *
 * @param classes their names
 * @returns the fold of each item, from 1
 * @throws InputError where a class has fewer items, or groups of them, than there are folds
 */
export function stratifiedFolds(items: Labelled, folds: number, seed: number, classes: readonly string[]): Uint16Array {
  /** Where one is left over of a class, the next fold gets it than of the class before. */
  let next = 0;
  const wanted = ({ label, items: count, groups }: ClassFound) => {
    if (count > 0 && groups < folds) {
      const what = groups === count ? `${count} pictures` : `${groups} groups of pictures (${count})`;
      throw new InputError(
        `--folds: the class ${quoted(classes[label])} has ${what}, and ${folds} folds need as many: take ${groups > 1 ? `--folds ${groups}` : "more pictures of it"}, or leave the class out`,
      );
    }
    const shares = Array.from({ length: folds }, () => Math.floor(count / folds));
    for (let rest = count % folds; rest > 0; rest--) {
      shares[next] = (shares[next] as number) + 1;
      next = (next + 1) % folds;
    }
    return shares;
  };
  return assigned(items, wanted, seed).map((fold) => fold + 1);
}
