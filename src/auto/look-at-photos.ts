import { printable } from "../base/printable.js";
import { imagesOfClasses } from "../data/split.js";
import { trainOnShare } from "../data/sampling/training-share.js";
import type { Intensity } from "../data/pictures/deep-picture.js";
import type { PhotoSource } from "../data/photos/photo-set.js";
import { taskOf } from "../tasks/index.js";
import type { Task } from "../tasks/task.js";
import { checkPhotos, type PhotoReport } from "../tools/data-check/check-photos.js";

/** More pictures are not read for a first look. */
const MOST_PICTURES = 4000;
/** Characters of a class's name. */
const LONGEST = 40;

/** What a first recipe is chosen by. */
export interface Photographs {
  readonly train: number;
  readonly validation: number;
  readonly classes: readonly string[];
  /** What they are labelled with. */
  readonly task: Task;
  /** Training pictures of the largest class to those of the smallest. */
  readonly imbalance: PhotoReport["imbalance"];
  /** Seconds that reading and decoding one takes, with all processors. */
  readonly secondsAPicture: number;
  /** What is to be said of them, two lines. */
  readonly lines: readonly [string, string];
}

/** Reads the pictures as `knack data check` does, of many a part, and times that. */
export async function lookAtPhotos(source: PhotoSource, intensity?: Intensity): Promise<Photographs> {
  const { train, validation } = source;
  const all = train.count + validation.count;
  const looked = all > MOST_PICTURES ? trainOnShare(source, Math.min(1, MOST_PICTURES / all)) : source;
  const part = { ...looked, validation: all > MOST_PICTURES ? { ...validation, count: 0 } : validation };
  const started = performance.now();
  const report = await checkPhotos(part, { intensity });
  const seen = part.train.count + part.validation.count;
  const counts = countsOf(source);
  const [largest, smallest] = [counts.at(0), counts.at(-1)] as [Count, Count];
  const { width, height } = report.sizes ?? { width: { median: 0 }, height: { median: 0 } };
  const each =
    largest.count === smallest.count
      ? `${largest.count} each`
      : `${smallest.count} (${printable(smallest.name, LONGEST)}) to ${largest.count} (${printable(largest.name, LONGEST)}) each`;
  return {
    train: train.count,
    validation: validation.count,
    classes: train.classes,
    task: taskOf(train),
    imbalance: {
      largest: printable(largest.name, LONGEST),
      smallest: printable(smallest.name, LONGEST),
      ratio: largest.count / smallest.count,
    },
    secondsAPicture: (performance.now() - started) / 1000 / Math.max(1, seen),
    lines: [
      `${number(train.count)} training and ${number(validation.count)} validation photographs of ${train.classes.length} classes, ${each}; ` +
        `most are ${width.median}x${height.median}`,
      [
        ...faultsOf(report),
        ...(seen < all ? [`${number(seen)} of them were read: knack data check reads all`] : []),
      ].join("; "),
    ],
  };
}

interface Count {
  readonly name: string;
  readonly count: number;
}

/** Training pictures of each class that has some, the most first. */
function countsOf({ train }: PhotoSource): Count[] {
  const counts = Array.from(imagesOfClasses(train), (count, label) => ({
    name: train.classes[label] as string,
    count,
  }));
  return counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
}

function faultsOf({ problems, advice }: PhotoReport): string[] {
  const faults = [...problems, ...advice];
  return faults.length > 0 ? faults : ["all can be read, and none is there twice"];
}

function number(count: number): string {
  return count.toLocaleString("en");
}
