import type { LabelledSet } from "../split.js";
import { imagesInMemory } from "./images-in-memory.js";
import type { DataKind } from "./kind.js";
import { photographs } from "./photographs.js";

/** The kinds whose sets say by a tag what they are. */
const TAGGED: readonly DataKind[] = [photographs];

/** What knows a set's images. Sets are plain data; one without a tag is of images in memory, as programs build them by hand. */
export function kindOf<Set extends LabelledSet>(set: Set): DataKind<Set> {
  const found = "kind" in set ? TAGGED.find(({ tag }) => tag === set.kind) : undefined;
  return (found ?? imagesInMemory) as DataKind<Set>;
}
