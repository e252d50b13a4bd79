import * as fs from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { systemReason, writeFileAtomic } from "../base/atomic-file.js";
import type { DataSelection } from "../data/sources/open.js";
import { InputError, KnackError } from "../base/errors.js";
import { makeFolder } from "../base/folders.js";
import { parseSplit } from "../data/split-options.js";
import type { TrainEvent } from "./events.js";
import { HELD_PARTS, readHeld } from "./held-images.js";
import { FolderLock, LOCK } from "./run-lock.js";
import { parseClasses, type TrainedClass } from "./trained-on.js";

const METRICS = "metrics.jsonl";
const CHECKPOINTS = "checkpoints";

/** What is in a run's folder before its first checkpoint, */
const EARLY: ReadonlySet<string> = new Set([
  CHECKPOINTS,
  LOCK,
  METRICS,
  "recipe.json",
  "data.json",
  ...HELD_PARTS.map((part) => `${part}.json`),
  "environment.json",
  "bad-pictures.json",
  "tensorboard",
]);
/** and among the checkpoints while that is written. */
const FIRST_CHECKPOINT: ReadonlySet<string> = new Set([".last-1", ".last.link"]);

/** Bytes of it that are read at a time. */
const PIECE = 2 ** 20;

/** What a run is trained on: what `openData` opens, and null where a program gave the images. */
export interface RunData extends DataSelection {
  readonly source: string | null;
  readonly cache: string | undefined;
  /** Undefined where an earlier version wrote it. */
  readonly classes: readonly TrainedClass[] | undefined;
}

/**
 * The folder of one training run: `recipe.json`, `environment.json`, `metrics.jsonl`, `curves.svg`, `checkpoints/last` and
 * `checkpoints/best`. One process writes it at a time.
 */
export class RunFolder {
  private constructor(
    readonly path: string,
    /** Whether this process writes it. */
    readonly isOwn = true,
  ) {}

  /** A folder that another process of the same run writes: here nothing is written. */
  static writtenByOther(path: string): RunFolder {
    return new RunFolder(path, false);
  }

  /**
   * Makes the folder, its parents too. What a run left there that ended before its first checkpoint is taken away: whatever starts a command again by
   * itself (Docker, Kubernetes, Slurm) gets on.
   *
   * @throws InputError where it exists and is not empty, or cannot be made or written.
   */
  static create(path: string): RunFolder {
    return making(path, () => {
      makeFolder(path);
      clearUnbegun(path);
      if (fs.readdirSync(path).length > 0 || !makeNew(join(path, CHECKPOINTS))) {
        throw new InputError(
          `${path} is not empty: go on with the run there by --resume ${path}, or choose another --out`,
        );
      }
      return new RunFolder(path);
    });
  }

  /**
   * Makes a folder that no other run has, its parents too: `path`, or where that is there already `path-2`, `path-3`, …
   *
   * @throws InputError where none can be made or written.
   */
  static createNext(path: string): RunFolder {
    return making(path, () => {
      makeFolder(dirname(path));
      let name = path;
      for (let number = 2; !makeNew(name); number++) name = `${path}-${number}`;
      return RunFolder.create(name);
    });
  }

  /**
   * The folder of an earlier run, to read it.
   *
   * @throws InputError where it is none.
   */
  static find(path: string): RunFolder {
    if (!fs.existsSync(path)) throw new InputError(`there is no run folder ${path}`);
    if (!fs.existsSync(join(path, "recipe.json"))) {
      throw new InputError(`${path} is no run folder: it has no recipe.json`);
    }
    return new RunFolder(path);
  }

  /**
   * The folder of an earlier run, to go on with it.
   *
   * @throws InputError where it is none or has no checkpoint to go on from.
   */
  static open(path: string): RunFolder {
    const run = RunFolder.find(path);
    if (!fs.existsSync(run.lastCheckpoint)) {
      throw new InputError(
        `the run in ${path} was stopped before its first checkpoint: start it again as it was, with --out ${path}`,
      );
    }
    return run;
  }

  get lastCheckpoint(): string {
    return join(this.path, CHECKPOINTS, "last");
  }

  get bestCheckpoint(): string {
    return join(this.path, CHECKPOINTS, "best");
  }

  /** Writes a JSON file of the folder, whole or not at all. */
  writeJson(name: string, value: unknown): void {
    if (!this.isOwn) return;
    writeFileAtomic(join(this.path, name), `${JSON.stringify(value, null, 2)}\n`);
  }

  /**
   * Reads a JSON file of the folder.
   *
   * @throws InputError where it is missing or not JSON.
   */
  readJson(name: string): unknown {
    const file = join(this.path, name);
    try {
      return JSON.parse(fs.readFileSync(file, "utf8"));
    } catch (error) {
      throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
    }
  }

  /**
   * What the run is trained on, as `data.json` says, and what it holds out.
   *
   * @throws InputError where that is missing or not JSON.
   */
  readData(): RunData {
    const saved = (this.readJson("data.json") ?? {}) as Record<string, unknown>;
    const text = (key: string) => (typeof saved[key] === "string" ? saved[key] : undefined);
    const trainShare = typeof saved.trainShare === "number" ? saved.trainShare : undefined;
    return {
      source: text("source") ?? null,
      holdOut: text("holdOut"),
      trainShare,
      images: text("images"),
      pathColumn: text("pathColumn"),
      labelColumn: text("labelColumn"),
      skipBadRows: saved.skipBadRows === true,
      multiLabel: saved.multiLabel === true,
      split: parseSplit(saved.split),
      held: readHeld(this.path),
      cache: text("cache"),
      classes: parseClasses(saved.classes),
    };
  }

  /**
   * Adds a line to `metrics.jsonl`.
   *
   * @throws KnackError that names the file, as where the disk is full.
   */
  appendMetric(event: TrainEvent): void {
    if (!this.isOwn) return;
    const file = join(this.path, METRICS);
    try {
      fs.appendFileSync(file, `${JSON.stringify(event)}\n`);
    } catch (error) {
      throw new KnackError(`cannot write ${file}: ${systemReason(error)}`, { cause: error });
    }
  }

  /** The events kept so far, of the run's earlier parts too. Half a line that a killed process left is passed over. */
  readMetrics(): TrainEvent[] {
    return Array.from(this.#metricLines(), ([line, number]) => this.#parsed(line, number));
  }

  /** The same for curves: of very many steps so many, evenly; all of what else there is. It needs memory for those alone. */
  readCurves(mostSteps = 5000): TrainEvent[] {
    let [kept, every, steps]: [TrainEvent[], number, number] = [[], 1, 0];
    for (const [line, number] of this.#metricLines()) {
      const isStep = line.startsWith('{"type":"step"');
      if (isStep && steps++ % every !== 0) continue;
      kept.push(this.#parsed(line, number));
      if (steps / every < 2 * mostSteps) continue;
      every *= 2;
      let seen = 0;
      kept = kept.filter(({ type }) => type !== "step" || seen++ % 2 === 0);
    }
    return kept;
  }

  #parsed(line: string, number: number): TrainEvent {
    try {
      return JSON.parse(line);
    } catch (error) {
      throw new InputError(`${join(this.path, METRICS)}: line ${number} is not JSON; remove it`, error);
    }
  }

  /** The whole lines of `metrics.jsonl`, with their numbers; it may be larger than what fits into memory. */
  *#metricLines(): Generator<[line: string, number: number]> {
    const file = join(this.path, METRICS);
    if (!fs.existsSync(file)) return;
    const descriptor = fs.openSync(file, "r");
    const [piece, decoder] = [Buffer.alloc(PIECE), new StringDecoder("utf8")];
    try {
      let [rest, number] = ["", 0];
      for (let size = fs.readSync(descriptor, piece); size > 0; size = fs.readSync(descriptor, piece)) {
        const lines = (rest + decoder.write(piece.subarray(0, size))).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) yield [line, ++number];
      }
    } finally {
      fs.closeSync(descriptor);
    }
  }

  /**
   * Before a run goes on from a checkpoint: drops everything from the first event later than so many validated epochs and steps of the one under way,
   * because it will happen again, the "done" of a finished run too, and half a line at the end.
   */
  truncateMetrics({ epoch: epochs, stepInEpoch }: { readonly epoch: number; readonly stepInEpoch: number }): void {
    if (!this.isOwn) return;
    const events = this.readMetrics();
    const isAfter = (epoch: number, step: number) => epoch > epochs || (epoch === epochs && step > stepInEpoch);
    const isLater = (event: TrainEvent) =>
      event.type === "done" ||
      (event.type === "epoch" && event.epoch > epochs) ||
      (event.type === "step" && isAfter(event.epoch - 1, event.stepInEpoch)) ||
      (event.type === "changed" && isAfter(event.epoch, event.stepInEpoch));
    const later = events.findIndex(isLater);
    const kept = later < 0 ? events : events.slice(0, later);
    writeFileAtomic(join(this.path, METRICS), kept.map((event) => `${JSON.stringify(event)}\n`).join(""));
  }
}

/** Whether a folder holds a run that can go on. */
export function hasCheckpoint(path: string): boolean {
  return fs.existsSync(join(path, CHECKPOINTS, "last")) && fs.existsSync(join(path, "recipe.json"));
}

/** Files of anybody else, and a run that is under way, are left alone. */
function clearUnbegun(path: string): void {
  if (!isUnbegun(path)) return;
  using lock = FolderLock.take(path);
  if (!lock.excludes || !isUnbegun(path)) return;
  for (const name of fs.readdirSync(path)) {
    if (name !== LOCK) fs.rmSync(join(path, name), { recursive: true }); // the lock goes last, by itself
  }
}

/** Whether a folder holds a run without a whole checkpoint, and nothing else. */
function isUnbegun(path: string): boolean {
  const names = fs.readdirSync(path).map((name) => name.replace(/^\.(.+)\.tmp$/, "$1"));
  if (!names.includes(CHECKPOINTS) || !names.includes("recipe.json")) return false;
  const checkpoints = fs.readdirSync(join(path, CHECKPOINTS));
  return names.every((name) => EARLY.has(name)) && checkpoints.every((name) => FIRST_CHECKPOINT.has(name));
}

/** @returns whether there was nothing of that name */
function makeNew(folder: string): boolean {
  try {
    fs.mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function making(path: string, make: () => RunFolder): RunFolder {
  try {
    return make();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot make the run folder ${path}: ${systemReason(error)}; choose another --out`, error);
  }
}

/**
 * Where a run goes that was given no folder: `runs/<data>-<recipe>-<yyyymmdd-hhmmss>`, local time, and a number where another has that name.
 *
 * @param data a data set's name or path
 * @param recipe a recipe's name or file
 */
export function defaultRunPath(data: string, recipe: string, now = new Date()): string {
  const digits = (value: number) => String(value).padStart(2, "0");
  const date = `${now.getFullYear()}${digits(now.getMonth() + 1)}${digits(now.getDate())}`;
  const time = `${digits(now.getHours())}${digits(now.getMinutes())}${digits(now.getSeconds())}`;
  return join("runs", `${plainName(data)}-${plainName(recipe)}-${date}-${time}`);
}

/** A data set's or file's name without folders, extension and what does not belong into a folder's name. */
export function plainName(path: string): string {
  return basename(path, extname(path)).replace(/[^A-Za-z0-9_-]+/g, "-");
}
