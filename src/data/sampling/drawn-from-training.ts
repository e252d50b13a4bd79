import { InputError } from "../../base/errors.js";
import type { DataSource } from "../image-set.js";
import { kindOf } from "../kinds/kinds.js";
import { isDrawn, type SplitOptions } from "../split-options.js";
import { heldOutBy, heldOutOf } from "./held-out.js";

/**
 * Images in memory of which some training images are validated on in place of the data set's own, where that is asked for: those are kept
 * for a test, and normalised as all were.
 *
 * @throws InputError where what is asked for needs images with names
 */
export function drawnFromTraining(source: DataSource, options: SplitOptions): DataSource {
  if (options.file !== undefined) {
    throw new InputError("--split: these images have no names that a file could list; use --validation 0.1");
  }
  if (options.group !== undefined) {
    throw new InputError("--group: these images have no names to be grouped by; drop it");
  }
  if (options.exclude !== undefined) {
    throw new InputError("--exclude: these images have no names that a file could list; drop it");
  }
  if (!isDrawn(options)) return source;
  const heldOut = heldOutBy(options);
  const { train: all, validation: own, description } = source;
  const { labels, labelSets } = all;
  const items = { count: all.count, label: (at: number) => labels[at] as number, labelSets, name: String };
  const chosen = heldOutOf(items, heldOut, all.classes);
  const part = (role: "train" | "validation") => {
    return { ...kindOf(all).select(all, chosen[role]), name: all.name.replace(/train$/, role) };
  };
  const [train, validation] = [part("train"), part("validation")];
  const count = validation.count.toLocaleString("en");
  const common = { train, validation, validationNumbers: chosen.validation, split: heldOut };
  if (options.folds !== undefined) {
    const fold = `fold ${heldOut.fold} of ${heldOut.folds}`;
    return {
      ...common,
      description: `${description}; ${count} of the training images are validated on, ${fold} by seed ${heldOut.seed}, and those for validation are left alone`,
    };
  }
  return {
    ...common,
    test: { ...own, name: own.name.replace(/validation$/, "test") },
    description: `${description}; ${count} of the training images are validated on, chosen by seed ${heldOut.seed}, and those for validation are kept for a test`,
  };
}
