/**
 * A process of its own: does what a training does, for two steps, on pictures that it makes up, and says how much memory it had at most.
 *
 *     node probe.js '{"recipe": …, "pictures": {"height", "width", "channels", "classes"}, …}'   ->   {"bytes": 1234}
 */
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openData } from "../../data/sources/open.js";
import type { AnySource } from "../../data/sources/source.js";
import { type DataSource, type ImageSet, sharedBytes, sharedLabels } from "../../data/image-set.js";
import sharp from "../../data/pictures/sharp.js";
import type { EngineChoice } from "../../engine/engine-name.js";
import type { Recipe } from "../../recipe/recipe.js";
import { train } from "../../run/train.js";

/** What is trained, as far as memory depends on it. */
export interface ProbedTraining {
  readonly recipe: Recipe;
  readonly pictures: ProbedPictures;
  readonly engine: EngineChoice;
  readonly workers: number | undefined;
}

export interface ProbedPictures {
  /** Whether they are photographs in files; else small images in memory. */
  readonly photographs: boolean;
  /** Of images in memory: how they are; of photographs what the recipe makes of them. */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

const STEPS = 2;
/** As many as one batch of a validation, whatever their size. */
const VALIDATED = 512;
/** Of a photograph as cameras and the web have them. */
const [PHOTO_WIDTH, PHOTO_HEIGHT] = [640, 480];

const { recipe, pictures, engine, workers } = JSON.parse(process.argv[2] ?? "") as ProbedTraining;
const folder = mkdtempSync(join(tmpdir(), "knack-memory-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const count = STEPS * recipe.batchSize;
const data = pictures.photographs ? await photographs() : imagesInMemory();
const how = { ...engine, workers, out: join(folder, "run"), checkpointEvery: { steps: STEPS } };
for await (const _ of train({ data, recipe: { ...recipe, epochs: 1 }, ...how }));
console.log(JSON.stringify({ bytes: mostMemory() }));

/** Bytes. Linux: what getrusage says begins with what the parent had. */
function mostMemory(): number {
  if (process.platform !== "linux") return 1024 * process.resourceUsage().maxRSS;
  const kibibytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return 1024 * Number(kibibytes);
}

/** One picture under many names, of each class as many: of no more classes than there are pictures, since the others need none. */
async function photographs(): Promise<AnySource> {
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  const create = { width: PHOTO_WIDTH, height: PHOTO_HEIGHT, channels: 3, background: "grey", noise } as const;
  const picture = join(folder, "picture.jpg");
  await sharp({ create }).jpeg().toFile(picture);
  const names = Array.from({ length: pictures.classes }, (_, label) => String(label).padStart(6, "0"));
  for (const [part, wanted] of Object.entries({ train: count, validation: VALIDATED / 16 })) {
    const shown = names.slice(0, Math.min(wanted, count)); // training has all that validation has
    const each = Math.ceil(wanted / shown.length);
    for (const name of shown) {
      const place = join(folder, "data", part, name);
      mkdirSync(place, { recursive: true });
      for (let i = 0; i < each; i++) linkSync(picture, join(place, `${i}.jpg`));
    }
  }
  const source = openData(join(folder, "data"));
  const withAll = (set: AnySource["train"]) => ({ ...set, classes: names });
  return { ...source, train: withAll(source.train), validation: withAll(source.validation) } as AnySource;
}

function imagesInMemory(): DataSource {
  return { train: setOf(count), validation: setOf(VALIDATED), description: "made up" };
}

function setOf(images: number): ImageSet {
  const { height, width, channels, classes } = pictures;
  return {
    name: "made up",
    pixels: sharedBytes(images * height * width * channels).map((_, i) => (i * 2654435761) >>> 24),
    labels: sharedLabels(images).map((_, i) => i % classes),
    count: images,
    ...{ height, width, channels },
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    mean: Array(channels).fill(0.5),
    std: Array(channels).fill(0.25),
  };
}
