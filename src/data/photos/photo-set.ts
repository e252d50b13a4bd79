import type { DataSource, HeldOut } from "../image-set.js";
import type { HeldImages } from "../split-options.js";
import type { EvaluationFormat } from "../pictures/evaluation-transform.js";
import type { LabelledSet, Split } from "../split.js";
import type { OtherFiles } from "./other-files.js";
import type { PhotoLocations } from "./photo-locations.js";

/** One split of a set of photographs: where they are and what they show. Nothing of them is in memory. */
export interface PhotoSet extends LabelledSet {
  readonly kind: "photos";
  readonly locations: PhotoLocations;
}

/** Photographs, and what they become for the network. */
export interface FormattedPhotos extends PhotoSet, Split {
  /** How they are brought to that size where nothing is random. */
  readonly evaluation: EvaluationFormat;
}

/** A set of photographs: what to train on and what to measure on. */
export interface PhotoSource extends DataSource<PhotoSet> {
  readonly kind: "photos";
  readonly split: "given" | HeldOut;
  /** What is held out, by name, where the data set does not say that itself. */
  readonly held?: HeldImages | undefined;
  /** What else lies among the pictures. */
  readonly otherFiles: OtherFiles;
}
