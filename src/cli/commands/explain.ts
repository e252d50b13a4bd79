import { basename, extname, join } from "node:path";
import { Command } from "commander";
import { writeFileAtomic } from "../../base/atomic-file.js";
import { InputError, KnackError } from "../../base/errors.js";
import { makeFolder } from "../../base/folders.js";
import { printable } from "../../base/printable.js";
import type { OtherFiles } from "../../data/photos/other-files.js";
import { type Device, deviceOption } from "../options/compute-options.js";

/** Pictures of a network's few pixels are enlarged to be looked at. */
const SIDE = 224;

interface ExplainOptions {
  readonly out: string;
  readonly class?: string;
  readonly device: Device;
}

/** `knack explain`: pictures with where the network saw what it takes them for. */
export function explainCommand(): Command {
  return new Command("explain")
    .description("show where in pictures the network sees what it takes them for (Grad-CAM): an overlay for each")
    .argument("<run>", "a run's folder (its best checkpoint), a checkpoint's, or a .safetensors file")
    .argument("<images...>", "picture files, folders (with all below) or patterns such as 'photos/*.jpg'")
    .option("--out <folder>", "where to write NAME.heat.png", "explained")
    .option("--class <name>", "where it sees this class, whatever it takes them for (default: the likeliest)")
    .addOption(deviceOption())
    .action(explain);
}

async function explain(run: string, paths: string[], { out, class: name, device }: ExplainOptions): Promise<void> {
  // Only here, so that the other commands start without the engine.
  const { pictureFiles } = await import("../options/picture-files.js");
  const { evaluationPixels } = await import("../../data/pictures/evaluation-transform.js");
  const { Explainer } = await import("../../inference/explainer.js");
  using explainer = new Explainer(run, device);
  if (explainer.insteadOf !== undefined) console.error(`knack: warning: ${explainer.insteadOf}`);
  const label = name === undefined ? undefined : explainer.labelOf(name);
  const others: OtherFiles = { count: 0, examples: [] };
  const pictures = pictureFiles(paths, others);
  makeFolder(out);
  const files = namesFor(pictures);
  const [height] = explainer.format.size;
  const larger = Math.max(1, Math.round(SIDE / height));
  let unreadable = 0;
  for (const [at, picture] of pictures.entries()) {
    try {
      const found = explainer.explain(await evaluationPixels(picture, explainer.format), label);
      const file = join(out, files[at] as string);
      const enlarged = found.overlay.resize({ height: larger * height, kernel: "nearest" });
      writeFileAtomic(file, await enlarged.png().toBuffer());
      const percent = `${(100 * found.probability).toFixed(2)} %`;
      console.log(`${printable(picture)}: ${printable(found.class)} ${percent} -> ${file}`);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      unreadable++;
      console.error(`knack: ${error.message}`);
    }
  }
  if (unreadable < pictures.length) console.log("blue: nothing of the class was seen there; red: most");
  if (unreadable > 0) throw new KnackError(`${unreadable} of ${pictures.length} pictures could not be read`);
}

/** A name for each, and of equal ones with a number. */
function namesFor(pictures: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return pictures.map((picture) => {
    const stem = basename(picture, extname(picture));
    const times = (seen.get(stem) ?? 0) + 1;
    seen.set(stem, times);
    return `${stem}${times === 1 ? "" : `-${times}`}.heat.png`;
  });
}
