import { InputError } from "../../../base/errors.js";
import { type PhotoLocations, photoName } from "../../photos/photo-locations.js";
import { type LabelledPhotos, selectPhotos } from "../../photos/photo-selection.js";
import type { OtherFiles } from "../../photos/other-files.js";
import type { LabelSets } from "../../split.js";

const MOST_NAME_BYTES = 2 ** 32;

/** What a reader of some format found, before it is known which pictures are for training. */
export interface ListedPhotos {
  /** For people: "flower_photos". */
  readonly name: string;
  readonly classes: readonly string[];
  /** Where pictures may have several labels: what the listings' labels stand for. */
  readonly labelSets?: LabelSets | undefined;
  readonly train: PhotoListing;
  /** Absent where the source has no split of its own: some of `train` are to be held out. */
  readonly validation?: PhotoListing | undefined;
  /** Whether `validation` is called a test: where other pictures are validated on, it is measured once, at the end. */
  readonly validationIsTest?: boolean | undefined;
  /** A test beside `validation`. */
  readonly test?: PhotoListing | undefined;
  /** Where it all came from, for people. */
  readonly from: string;
  readonly otherFiles: OtherFiles;
  /** The values of the column that groups pictures, by name, where that was asked for and is there. */
  readonly groups?: ReadonlyMap<string, string> | undefined;
  /** What a person should know about it, each a part of a sentence. */
  readonly notes?: readonly string[];
}

/** Collects where the pictures of a source are, and their labels, without an object for each. */
export class PhotoListing {
  #count = 0;
  readonly #containers: string[] = [];
  readonly #containerNumbers = new Map<string, number>();
  #containerOf = new Uint32Array(1024);
  #labels = new Int32Array(1024);
  #nameEnds = new Uint32Array(1024);
  #members: { starts: Float64Array; lengths: Float64Array } | undefined;
  #names = Buffer.alloc(2 ** 16);

  /**
   * @param root what containers are relative to
   * @param containers what pictures are in
   */
  constructor(
    readonly root: string,
    containers: "folders" | "tar files",
  ) {
    if (containers === "tar files") this.#members = { starts: new Float64Array(1024), lengths: new Float64Array(1024) };
  }

  /** The pictures of several listings of one data set, in order. @param keeps whether one is to be there. Default: all are */
  static of(
    parts: readonly [PhotoListing, ...PhotoListing[]],
    keeps: (name: string) => boolean = () => true,
  ): PhotoListing {
    const all = new PhotoListing(parts[0].root, parts[0].#members ? "tar files" : "folders");
    for (const part of parts) {
      for (let at = 0; at < part.count; at++) {
        if (!keeps(part.name(at))) continue;
        const container = part.#containers[part.#containerOf[at] as number] as string;
        const name = part.name(at).slice(container === "" ? 0 : container.length + 1);
        const [start = 0, length = 0] = [part.#members?.starts[at], part.#members?.lengths[at]];
        all.add(container, name, part.label(at), { start, length });
      }
    }
    return all;
  }

  get count(): number {
    return this.#count;
  }

  /** A picture's class index. */
  label(index: number): number {
    return this.#labels[index] as number;
  }

  /** Gives each class another index. */
  relabel(indexOf: (label: number) => number): void {
    for (let i = 0; i < this.#count; i++) this.#labels[i] = indexOf(this.#labels[i] as number);
  }

  /** All names, in order. */
  names(): string[] {
    return Array.from({ length: this.#count }, (_, index) => this.name(index));
  }

  /** A picture's name, as `photoName` gives it. */
  name(index: number): string {
    return photoName(this.#locations(), index);
  }

  /**
   * @param container the folder or tar file, relative to the root; "" is the root itself
   * @param member where the picture is in its tar file
   * @throws InputError where the names take more than 4 GiB
   */
  add(container: string, name: string, label: number, member?: { start: number; length: number }): void {
    const at = this.#count;
    if (at === this.#labels.length) this.#grow();
    const nameStart = at === 0 ? 0 : (this.#nameEnds[at - 1] as number);
    // A UTF-16 unit takes at most three bytes in UTF-8.
    if (nameStart + 3 * name.length > this.#names.length) this.#growNames(nameStart + 3 * name.length);
    this.#nameEnds[at] = nameStart + this.#names.write(name, nameStart);
    this.#containerOf[at] = this.#numberOf(container);
    this.#labels[at] = label;
    if (this.#members && member) {
      this.#members.starts[at] = member.start;
      this.#members.lengths[at] = member.length;
    }
    this.#count++;
  }

  /** The pictures `indices` in that order (default: all), on memory of their own that threads can share. */
  select(indices: Uint32Array = Uint32Array.from({ length: this.#count }, (_, i) => i)): LabelledPhotos {
    return selectPhotos({ locations: this.#locations(), labels: this.#labels }, indices);
  }

  /** As it is by now, over memory that `add` goes on with. */
  #locations(): PhotoLocations {
    return {
      root: this.root,
      count: this.#count,
      containers: this.#containers,
      containerOf: this.#containerOf,
      names: this.#names,
      nameEnds: this.#nameEnds,
      members: this.#members,
    };
  }

  #numberOf(container: string): number {
    // Pictures come container by container, so the map is rarely asked.
    const last = this.#containers.length - 1;
    if (this.#containers[last] === container) return last;
    const known = this.#containerNumbers.get(container);
    if (known !== undefined) return known;
    this.#containerNumbers.set(container, last + 1);
    this.#containers.push(container);
    return last + 1;
  }

  #grow(): void {
    const length = 2 * this.#labels.length;
    this.#containerOf = copied(this.#containerOf, new Uint32Array(length));
    this.#labels = copied(this.#labels, new Int32Array(length));
    this.#nameEnds = copied(this.#nameEnds, new Uint32Array(length));
    if (this.#members === undefined) return;
    const starts = copied(this.#members.starts, new Float64Array(length));
    const lengths = copied(this.#members.lengths, new Float64Array(length));
    this.#members = { starts, lengths };
  }

  #growNames(needed: number): void {
    if (needed > MOST_NAME_BYTES)
      throw new InputError(`${this.root} holds more than 4 GiB of names: take a part of it`);
    const longer = Buffer.alloc(Math.min(Math.max(2 * this.#names.length, needed), MOST_NAME_BYTES));
    this.#names.copy(longer);
    this.#names = longer;
  }
}

function copied<T extends { set(from: T): void }>(array: T, longer: T): T {
  longer.set(array);
  return longer;
}
