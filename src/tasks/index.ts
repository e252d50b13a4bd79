import type { LabelSets } from "../data/split.js";
import { oneLabel } from "./one-label.js";
import { severalLabels } from "./several-labels.js";
import type { Task } from "./task.js";

/** What a data set, or what was measured of one, is labelled with. */
export function taskOf({ labelSets }: { readonly classes: unknown; readonly labelSets?: LabelSets | undefined }): Task {
  return labelSets ? severalLabels : oneLabel;
}

/** What a checkpoint's config or a run's audit says that the network is for. */
export function taskNamed(said: { readonly task?: string | undefined } | undefined): Task {
  return said?.task === severalLabels.name ? severalLabels : oneLabel;
}
