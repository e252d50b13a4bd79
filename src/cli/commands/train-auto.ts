import { InputError } from "../../base/errors.js";
import { holdsPhotos, openData } from "../../data/sources/open.js";
import type { EngineName } from "../../engine/engine-name.js";
import { printable } from "../../base/printable.js";
import { macroF1 } from "../../metrics/macro-f1.js";
import { type MetricFacts, valueText } from "../../metrics/metric.js";
import { meanAveragePrecision } from "../../metrics/several/average-precision.js";
import { top1 } from "../../metrics/top-1.js";
import type { MeasuredBest } from "../../report/write-report.js";
import { presets } from "../../recipe/presets.js";
import type { Precision } from "../../nn/precision.js";
import type { Recipe } from "../../recipe/recipe.js";
import { type DataOptions, ofOneFold, selectionFrom } from "../options/data-options.js";
import { recipeFromOptions, type RecipeOptions } from "../options/recipe-options.js";
import { secondsOf } from "../options/time.js";
import { formatDuration } from "../output/progress.js";

/** Minutes are what a first run may take. */
const BUDGET = "20m";

/** Whoever says one of these has a recipe in mind. */
const DECIDED = ["model", "option", "epochs", "batchSize", "lr", "optimizer", "accumulation"];

type AutoOptions = RecipeOptions &
  DataOptions & {
    readonly recipe?: string;
    readonly budget?: string;
    readonly precision?: Precision;
    readonly device: string;
    readonly engine?: EngineName;
    readonly winograd?: boolean;
    readonly json?: boolean;
  };

/**
 * The recipe that `--recipe auto` stands for, chosen by the photographs, the machine, the weights at hand and the time there is, and told on the
 * screen; undefined where another is to be taken.
 *
 * @throws InputError where it was asked for and the data are no photographs
 */
export async function autoRecipeFor(data: string, options: AutoOptions): Promise<Recipe | undefined> {
  const { recipe: asked, budget = BUDGET, device, engine = "auto", winograd = true } = options;
  const seconds = secondsOf("--budget", budget);
  const isLeft = asked === undefined && DECIDED.every((name) => options[name] === undefined) && holdsPhotos(data);
  if (asked !== "auto" && !isLeft) {
    if (options.budget === undefined) return undefined;
    throw new InputError("--budget: it is for --recipe auto, which chooses by it; drop it, or give --recipe auto");
  }
  // What is wrong with the recipe's options is found before anything takes its time.
  const { batchSize, init, ...others } = options;
  const { intensity, imageSize, epochs } = recipeFromOptions(presets["bag-of-tricks"], {
    ...others,
    ...(batchSize !== "auto" && { batchSize }),
  });
  const source = openData(data, ofOneFold(selectionFrom(options)));
  if (!("kind" in source)) {
    throw new InputError(
      `--recipe auto: ${data} holds small images, and it is for photographs; take baseline or another`,
    );
  }
  const out = options.json ? process.stderr : process.stdout;
  const show = (line: string) => out.write(`${line}\n`);
  show(`recipe: auto, for ${formatDuration(seconds)} (--budget): looking at the photographs and timing steps …`);
  // Only here, so that other runs start sooner.
  const { autoRecipe } = await import("../../auto/auto-recipe.js");
  const { recipe, lines, expected } = await autoRecipe({
    source,
    data,
    intensity: intensity ?? undefined,
    init,
    imageSize: imageSize ?? undefined,
    epochs: options.epochs === undefined ? undefined : epochs,
    budget: seconds,
    pace: { device, engine, winograd, precision: options.precision },
  });
  for (const line of lines) show(`  ${line}`);
  show(`  expected: about ${formatDuration(expected)}`);
  return recipe;
}

/** How well a first run does, and what to do next: a line each. @param run its folder */
export function summaryOf({ epoch, metrics, worst, images, suspects }: MeasuredBest, run: string): string[] {
  const text = (metric: MetricFacts) => `${metric.title} ${valueText(metric, metrics[metric.name] ?? Number.NaN)}`;
  return [
    `the best weights${epoch === undefined ? "" : ` (epoch ${epoch})`}: ${text(top1.name in metrics ? top1 : meanAveragePrecision)}, ${text(macroF1)}; worst class: ${printable(worst.class, 40)}, F1 ${valueText(macroF1, worst.f1)}`,
    ...(suspects === undefined
      ? []
      : [
          `labels that are probably wrong: ${suspects} of ${images} that it has not seen${suspects > 0 ? `: knack suspects ${run}` : ""}`,
        ]),
    `go on with: knack predict ${run} PICTURE | knack eval ${run} OTHER_PHOTOS | a longer --budget`,
  ];
}
