import { className } from "../base/class-name.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { LabelledSet } from "../data/split.js";
import { modelEntry } from "../models/registry.js";
import { hasNames } from "./class-names.js";
import type { CheckpointConfig } from "./config.js";
import type { LoadedModel } from "./load-model.js";

/** What keeps a checkpoint from being used on a data set whose classes are to be its own in their order, for a message. */
export function mismatches(loaded: LoadedModel, set: LabelledSet): string[] {
  return [...classMismatches(loaded, set), ...imageMismatches(loaded, set)];
}

/** Whether a data set's classes are a checkpoint's, in their order; empty where they are. */
export function classMismatches({ config }: Pick<LoadedModel, "config">, set: LabelledSet): string[] {
  const faults = labellingMismatches(config, set);
  if (config.num_classes !== set.classes.length) {
    faults.push(`${config.num_classes} classes, not ${set.classes.length}`);
  } else if (hasNames(config.label_names) && hasNames(set.classes)) {
    const other = config.label_names.findIndex(
      (name, label) => className(name) !== className(set.classes[label] ?? ""),
    );
    if (other >= 0)
      faults.push(`other classes (class ${other} is ${config.label_names[other]}, not ${set.classes[other]})`);
  }
  return faults;
}

/** Whether images show as many classes as a checkpoint's network takes them for; empty where they do. */
export function labellingMismatches({ task }: Pick<CheckpointConfig, "task">, { labelSets }: LabelledSet): string[] {
  const words = (several: boolean) => (several ? "any number of labels a picture" : "one label a picture");
  const [wants, has] = [task === "multi-label", labelSets !== undefined];
  return wants === has ? [] : [`${words(wants)}, not ${words(has)}`];
}

/** What keeps a checkpoint from being used on a data set's images, whatever they show; empty where nothing does. */
export function imageMismatches({ config, format }: LoadedModel, set: LabelledSet): string[] {
  const faults: string[] = [];
  const own = kindOf(set).inputFormat(set);
  if (own && format.channels !== own.channels) {
    faults.push(`${format.channels}-channel images, not ${own.channels}-channel`);
  }
  const { smallestInput } = modelEntry(config.architecture);
  if (own && Math.min(own.height, own.width) < smallestInput) {
    faults.push(`images of ${smallestInput} pixels or more, not ${own.height}x${own.width}`);
  }
  return faults;
}
