import type { Stats } from "node:fs";
import type { DataSource } from "../image-set.js";
import type { PhotoSource } from "../photos/photo-set.js";
import { lookAt, namesIn } from "./read-files.js";
import type { HeldImages, SplitOptions } from "../split-options.js";
import type { AskedColumns } from "./tables/columns.js";

/** A data set of any kind: small images in memory, or photographs. */
export type AnySource = DataSource | PhotoSource;

/** A kind of data set that knack opens: one file here, and one line in index.ts. */
export interface SourceFormat {
  /** For programmers, and the data set itself where it goes by a name: "cifar". */
  readonly name: string;
  /** Completes "understood are ...": "a folder of MNIST-style IDX files". */
  readonly words: string;
  /** Whether it is asked for by its name instead of by a path, and so found from any working directory. */
  readonly byName?: true;
  /** The files of which one can be held out for validation, where it can, as messages call them: "CIFAR binary files". */
  readonly holdsOut?: string;
  /** Whether it is a list, which `ListOptions` are for. */
  readonly isList?: true;
  /** Whether a place holds such a data set, or a part of one, so that `open` can say what is missing. */
  recognises(place: Place): boolean;
  /**
   * @throws InputError where the data set is not whole
   */
  open(place: Place, options: OpenOptions): AnySource;
}

/** How a list of pictures is read. */
export interface ListOptions extends AskedColumns {
  /** The folder in which, or below which, its pictures are; default: the list's own. */
  readonly images?: string | undefined;
  /** Whether rows without a picture or label are left out, and said, rather than refused. */
  readonly skipBadRows?: boolean | undefined;
  /** Whether a picture may have several labels, or none: in columns of 0 and 1, or in one column as "cat|dog". */
  readonly multiLabel?: boolean | undefined;
}

/** What of some options is about lists. */
export function listOptions({ images, pathColumn, labelColumn, skipBadRows, multiLabel }: ListOptions): ListOptions {
  return { images, pathColumn, labelColumn, skipBadRows, multiLabel };
}

export interface OpenOptions extends ListOptions {
  /** The training file to validate on, only where `holdsOut` names some. */
  readonly holdOut?: string | undefined;
  /** Photographs: how they are divided. Default: as the data set says, and where it does not, a share of each class is held out. */
  readonly split?: SplitOptions | undefined;
  /** Photographs: what an earlier run held out, in place of a choice. */
  readonly held?: HeldImages | undefined;
  /** Photographs: of those that look like others a number of their group, by name. */
  readonly alike?: ReadonlyMap<string, number> | undefined;
  /** Photographs that are only measured: without a split of their own all are validation images, and classes may be empty. */
  readonly whole?: boolean | undefined;
}

/** A kind of data set that lists photographs. */
export interface PhotoFormat extends SourceFormat {
  open(place: Place, options: OpenOptions): PhotoSource;
}

/** Where a data set is looked for. What is there is read when it is first asked for, since a name is no path. */
export class Place {
  #found: { readonly stats: Stats | undefined } | undefined;
  #names: readonly string[] | undefined;

  /** @param spec as it was given: a name or a path */
  constructor(readonly spec: string) {}

  get exists(): boolean {
    return this.#stats !== undefined;
  }

  get isFolder(): boolean {
    return this.#stats?.isDirectory() === true;
  }

  /** What the folder holds, in natural order; nothing where it is no folder. */
  get names(): readonly string[] {
    this.#names ??= this.isFolder ? namesIn(this.spec) : [];
    return this.#names;
  }

  get #stats(): Stats | undefined {
    this.#found ??= { stats: lookAt(this.spec) };
    return this.#found.stats;
  }
}
