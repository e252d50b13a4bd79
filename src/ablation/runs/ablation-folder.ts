import * as fs from "node:fs";
import { join } from "node:path";
import { systemReason, writeFileAtomic } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { makeFolder } from "../../base/folders.js";
import type { ListOptions } from "../../data/sources/source.js";
import type { SplitOptions } from "../../data/split-options.js";
import type { EngineChoice } from "../../engine/engine-name.js";
import { atEpochs } from "../../recipe/at-epochs.js";
import type { Recipe } from "../../recipe/recipe.js";
import { comparable } from "../tables/table.js";
import { FolderLock, LOCK } from "../../run/run-lock.js";
import { differences } from "../../recipe/differences.js";
import type { Extent } from "./plan.js";

const SETTINGS = "ablation.json";
/** More differences than that say only that it is another ablation. */
const SHOWN_DIFFERENCES = 3;

/** Everything that decides what an ablation's figures are. Plain JSON. */
export interface Asked {
  readonly table: string;
  /** A data set's name or full path. */
  readonly data: string;
  readonly holdOut: string | null;
  /** Of a list of pictures: how it is read, where it matters. */
  readonly list?: ListOptions | undefined;
  readonly trainShare: number;
  /** Where that is said. */
  readonly split?: SplitOptions | undefined;
  readonly seeds: readonly number[];
  /** Seconds. */
  readonly budget: number | null;
  readonly device: string;
  readonly engine: EngineChoice;
  readonly teacher: Recipe | null;
  readonly rows: readonly { readonly row: string; readonly against: string | null; readonly recipe: Recipe }[];
}

/** What `ablation.json` holds. */
export interface Settings {
  readonly asked: Asked;
  /** What of it is done: with a budget less than all. */
  readonly extent: Extent;
  /** Expected seconds, where a budget was given. */
  readonly expectedSeconds: number | null;
  /** The data's description. */
  readonly data: string;
}

/** The folder of one ablation: `ablation.json`, `table.*` and `runs/`. */
export class AblationFolder {
  #lock: FolderLock | undefined;

  private constructor(readonly path: string) {}

  /**
   * Takes the folder, new or of an earlier start, for this process until `release`.
   *
   * @throws InputError where it holds something else, cannot be written, or another process works in it.
   */
  static take(path: string): AblationFolder {
    const folder = new AblationFolder(path);
    try {
      makeFolder(path);
      if (!folder.has(SETTINGS) && fs.readdirSync(path).some((name) => name !== LOCK)) {
        throw new InputError(`${path} is not empty and holds no ablation: choose another --out`);
      }
      folder.#lock = FolderLock.take(path);
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`cannot use the folder ${path}: ${systemReason(error)}; choose another --out`, error);
    }
    return folder;
  }

  /**
   * What an earlier start settled; undefined for a new ablation, and for one that is now asked for other seeds, rows or epochs.
   *
   * @throws InputError where that was another ablation, saying what differs.
   */
  settings(asked: Asked): Settings | undefined {
    if (!this.has(SETTINGS)) return undefined;
    const file = join(this.path, SETTINGS);
    let settings: Settings;
    try {
      const saved = JSON.parse(fs.readFileSync(file, "utf8")) as Settings;
      settings = { ...saved, asked: completed(saved.asked, file) };
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
    }
    const found = differences(settings.asked, asked);
    if (found.length === 0) return settings;
    if (goesOn(settings.asked, asked)) return undefined;
    const more = found.length - SHOWN_DIFFERENCES;
    const lines = found
      .slice(0, SHOWN_DIFFERENCES)
      .map(({ place, was, is }) => `${place} was ${shown(was)} and is ${shown(is)}`);
    const all = lines.join("; ") + (more > 0 ? `; and ${more} more` : "");
    throw new InputError(
      `${this.path} holds an ablation with other settings: ${all}; start it as it was, or choose another --out`,
    );
  }

  writeSettings(settings: Settings): void {
    writeFileAtomic(join(this.path, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
  }

  /** A folder in which nothing came about goes again. */
  release(): void {
    this.#lock?.[Symbol.dispose]();
    if (fs.readdirSync(this.path).length === 0) fs.rmdirSync(this.path);
  }

  private has(name: string): boolean {
    return fs.existsSync(join(this.path, name));
  }
}

/** What an earlier version asked for, its recipes with the keys that recipes have now. */
function completed(asked: Asked, file: string): Asked {
  const whole = (recipe: Recipe) => comparable(recipe, file);
  return {
    ...asked,
    teacher: asked.teacher && whole(asked.teacher),
    rows: asked.rows.map((row) => ({ ...row, recipe: whole(row.recipe) })),
  };
}

/**
 * Whether a request only asks for more, or less, of what an earlier one asked for: other seeds, rows or epochs, so that every run that both want is the
 * same. What a budget chose of the earlier one is not gone on with.
 */
function goesOn(was: Asked, is: Asked): boolean {
  const { seeds: _, rows, teacher, ...others } = was;
  const { seeds: __, rows: rowsNow, teacher: teacherNow, ...othersNow } = is;
  if (was.budget !== null || differences(others, othersNow).length > 0) return false;
  if (teacher && teacherNow ? !sameButForEpochs(teacher, teacherNow) : teacher !== teacherNow) return false;
  return rowsNow.every(({ row, recipe }) => {
    const earlier = rows.find((each) => each.row === row);
    return earlier === undefined || sameButForEpochs(earlier.recipe, recipe);
  });
}

function sameButForEpochs(was: Recipe, is: Recipe): boolean {
  const places = (a: Recipe, b: Recipe) => differences(a, b).map(({ place }) => place);
  const counted = places(was, atEpochs(was, 2 * was.epochs + 1));
  return places(was, is).every((place) => counted.includes(place));
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
