import { sharedBytes, sharedLabels } from "../image-set.js";
import type { PhotoLocations } from "./photo-locations.js";

/** Pictures and the class of each. */
export interface LabelledPhotos {
  readonly locations: PhotoLocations;
  /** [count] class indices. */
  readonly labels: Int32Array;
}

/** The pictures `indices` in that order, on memory of their own that threads can share; without the smaller copies. */
export function selectPhotos(
  { locations: all, labels: allLabels }: LabelledPhotos,
  indices: Uint32Array,
): LabelledPhotos {
  const nameStart = (index: number) => (index === 0 ? 0 : (all.nameEnds[index - 1] as number));
  const numbers = () => new Uint32Array(new SharedArrayBuffer(indices.length * Uint32Array.BYTES_PER_ELEMENT));
  const positions = () => new Float64Array(new SharedArrayBuffer(indices.length * Float64Array.BYTES_PER_ELEMENT));
  const locations = {
    root: all.root,
    containers: all.containers,
    count: indices.length,
    containerOf: numbers(),
    nameEnds: numbers(),
    members: all.members && { starts: positions(), lengths: positions() },
    names: sharedBytes(indices.reduce((sum, index) => sum + (all.nameEnds[index] as number) - nameStart(index), 0)),
  };
  const labels = sharedLabels(indices.length);
  let bytes = 0;
  for (let to = 0; to < indices.length; to++) {
    const from = indices[to] as number;
    locations.names.set(all.names.subarray(nameStart(from), all.nameEnds[from]), bytes);
    bytes += (all.nameEnds[from] as number) - nameStart(from);
    locations.nameEnds[to] = bytes;
    locations.containerOf[to] = all.containerOf[from] as number;
    labels[to] = allLabels[from] as number;
    if (locations.members === undefined || all.members === undefined) continue;
    locations.members.starts[to] = all.members.starts[from] as number;
    locations.members.lengths[to] = all.members.lengths[from] as number;
  }
  return { locations, labels };
}
