import { resolve } from "node:path";
import { pictureStem } from "../../pictures/picture-name.js";
import type { PhotoListing } from "../photos/photo-listing.js";

/** Finds pictures by what a person calls them. */
export class PictureNames {
  readonly #whole = new Map<string, number>();
  /** By the last part without its ending: the pictures that end so. */
  readonly #ends = new Map<string, number[]>();

  constructor(private readonly pictures: PhotoListing) {
    for (let index = 0; index < pictures.count; index++) {
      const name = pictures.name(index);
      this.#whole.set(name, index);
      const end = lastPart(pictureStem(name));
      const same = this.#ends.get(end);
      if (same) same.push(index);
      else this.#ends.set(end, [index]);
    }
  }

  find(text: string): number | "several" | undefined {
    if (text === "") return undefined;
    const path = text.replaceAll("\\", "/").replace(/^(\.\/)+/, "");
    const inside = `${resolve(this.pictures.root)}/`;
    const below = path.startsWith(inside) ? path.slice(inside.length) : path;
    const whole = this.#whole.get(text) ?? this.#whole.get(below);
    if (whole !== undefined) return whole;
    const stem = pictureStem(below);
    const named = (this.#ends.get(lastPart(stem)) ?? []).map((index) => {
      return { index, name: pictureStem(this.pictures.name(index)) };
    });
    const shorter = named.filter(({ name }) => `/${name}`.endsWith(`/${stem}`));
    if (shorter.length > 0) return shorter.length > 1 ? "several" : shorter[0]?.index;
    // It begins with folders above the data, here or on another machine.
    const longer = named.filter(({ name }) => stem.endsWith(`/${name}`)).sort((a, b) => b.name.length - a.name.length);
    return longer[0]?.index;
  }
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
