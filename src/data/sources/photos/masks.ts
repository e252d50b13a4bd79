import { pictureStem } from "../../pictures/picture-name.js";

/** Names of masks beside the pictures they are of. */
const WORD = "(?:mask|segmentation|seg|annotation|groundtruth|gt|label)s?";
/** "0_mask", "0 (mask)", "0_mask_1" */
const AFTER = new RegExp(`^(.+?)[-_. ]?\\(?${WORD}\\)?(?:[-_ ]\\d+)?$`, "i");
/** "mask_0" */
const BEFORE = new RegExp(`^${WORD}[-_. ]?(.+)$`, "i");
const MASK_FOLDER = /^(?:seg(?:mentation)?[-_ ]?)?(?:masks?|annotations?|ground[-_ ]?truth)$/i;

/** "12 pictures look like masks of others ("cat/000_mask.png", …): take them out" */
export class MaskCount {
  #count = 0;
  #example: string | undefined;

  /** @param pictures the names in one folder */
  look(folder: string, pictures: readonly string[]): void {
    const masks = pictures.map((name) => [name, ofMask(pictureStem(name))] as const).filter(([, of]) => of.length > 0);
    if (masks.length === 0) return;
    const stems = new Set(pictures.map(pictureStem));
    for (const [name, of] of masks) {
      if (!of.some((stem) => stems.has(stem))) continue;
      this.#count++;
      this.#example ??= `${folder}/${name}`;
    }
  }

  notes(classes: readonly string[]): string[] {
    const notes: string[] = [];
    const [count, example] = [this.#count, this.#example];
    if (example !== undefined) {
      const some =
        count === 1 ? "1 picture looks like a mask of another" : `${count} pictures look like masks of others`;
      notes.push(`${some} (${JSON.stringify(example)}): if so, take ${count === 1 ? "it" : "them"} out`);
    }
    const folder = classes.find((name) => MASK_FOLDER.test(name));
    if (folder !== undefined) notes.push(`the class ${JSON.stringify(folder)} is called like a folder of masks`);
    return notes;
  }
}

/** What the picture may be called that a mask of this name is of. */
function ofMask(stem: string): string[] {
  const [after, before] = [AFTER.exec(stem)?.[1], BEFORE.exec(stem)?.[1]];
  return [after, before, before && `img_${before}`, before && `image_${before}`].filter((name) => name !== undefined);
}
