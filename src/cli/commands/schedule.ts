import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import asciichart from "asciichart";
import { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { counted } from "../../base/printable.js";
import { loadRecipe } from "../../recipe/load-recipe.js";
import type { LearningRateSchedule } from "../../optim/learning-rate.js";
import { learningRateSchedule } from "../../recipe/learning-rate-schedule.js";
import { loadOwnTricks } from "../../tricks/own-trick.js";
import { addRecipeOptions, type RecipeOptions, recipeFromOptions } from "../options/recipe-options.js";

type ScheduleOptions = RecipeOptions & {
  recipe: string;
  stepsPerEpoch?: string;
  json?: boolean;
};

/** `knack schedule`: the learning rate of a recipe, as a table and a plot or as JSON, without training. */
export function scheduleCommand(): Command {
  const command = new Command("schedule")
    .description("print and plot the learning rate of a recipe, without training")
    .option("--recipe <recipe>", "a preset's name, or a .json, .ts or .js file", "baseline")
    .option("--steps-per-epoch <count>", "training images / batch size, rounded down (required)")
    .option("--json", 'print [{"step":0,"lr":…}, …]');
  return addRecipeOptions(command).action(async (options: ScheduleOptions) => {
    const stepsPerEpoch = Number(options.stepsPerEpoch);
    if (!Number.isSafeInteger(stepsPerEpoch) || stepsPerEpoch < 1) {
      const problem =
        options.stepsPerEpoch === undefined
          ? "is missing"
          : `must be a whole number above 0, not ${JSON.stringify(options.stepsPerEpoch)}`;
      throw new InputError(`--steps-per-epoch: ${problem}; give training images / batch size, rounded down`);
    }
    const recipe = recipeFromOptions(await loadRecipe(options.recipe), options);
    const schedule = learningRateSchedule(recipe, stepsPerEpoch, await loadOwnTricks(recipe.tricks));
    const lines = options.json ? jsonLines(schedule) : textLines(recipe.name, schedule, stepsPerEpoch);
    await pipeline(Readable.from(lines), process.stdout, { end: false });
  });
}

/** A piece at a time: a long run has more steps than one string should hold. */
function* jsonLines({ totalSteps, at }: LearningRateSchedule): Generator<string> {
  for (let step = 0; step < totalSteps; step++) {
    yield `${step === 0 ? "[" : ",\n "}${JSON.stringify({ step, lr: at(step) })}`;
  }
  yield "]\n";
}

function* textLines(name: string, schedule: LearningRateSchedule, stepsPerEpoch: number): Generator<string> {
  const epochs = schedule.totalSteps / stepsPerEpoch;
  yield `${name}: ${counted(epochs, "epoch")} of ${counted(stepsPerEpoch, "step")}, peak lr ${short(schedule.peak)}\n\n`;
  yield table(borders(schedule), stepsPerEpoch);
  yield `\n${plot(schedule, epochs, process.stdout.columns ?? 80)}`;
}

interface Border {
  what: string;
  step: number;
  /** undefined where the step lies past the end of the run */
  lr: number | undefined;
}

/** The steps at which the schedule starts, changes its form, and ends. */
function borders({ totalSteps, warmupSteps, milestones, at }: LearningRateSchedule): Border[] {
  const warmup = [
    { what: "end of warmup", step: warmupSteps - 1 },
    { what: "after warmup", step: warmupSteps },
  ];
  const decays = milestones.map((step, i) => ({ what: `milestone ${i + 1}`, step }));
  return [
    { what: "first step", step: 0 },
    ...(warmupSteps > 0 ? warmup : []),
    ...decays.filter(({ step }) => step < totalSteps),
    { what: "last step", step: totalSteps - 1 },
    ...decays.filter(({ step }) => step >= totalSteps),
  ].map((border) => ({ ...border, lr: border.step < totalSteps ? at(border.step) : undefined }));
}

function table(rows: readonly Border[], stepsPerEpoch: number): string {
  const line = (what: string, step: string, epoch: string, lr: string) =>
    `${what.padEnd(14)} ${step.padStart(9)} ${epoch.padStart(9)}   ${lr}\n`;
  const lines = rows.map(({ what, step, lr }) =>
    line(what, String(step), (step / stepsPerEpoch).toFixed(2), lr === undefined ? "not reached" : short(lr)),
  );
  return [line("", "step", "epoch", "lr"), ...lines].join("");
}

/** Rows of the plot above its lowest, so that the labels are tenths of the peak. */
const plotHeight = 10;

/** The learning rate over the epochs, in at most so many columns. */
function plot({ totalSteps, peak, at }: LearningRateSchedule, epochs: number, columns: number): string {
  const labels = Array.from({ length: plotHeight + 1 }, (_, row) => short((peak * (plotHeight - row)) / plotHeight));
  const labelWidth = Math.max(...labels.map((label) => label.length)) + 1;
  const width = Math.max(16, columns - labelWidth - `${epochs} epoch`.length - 1);
  const rates = Array.from({ length: width }, (_, x) => at(Math.round((x * (totalSteps - 1)) / (width - 1))));
  const chart = asciichart.plot(rates, {
    height: plotHeight,
    min: 0,
    max: peak,
    offset: 2, // one cell for the label, one for the axis
    format: (_, row) => `${labels[row]} `.padStart(labelWidth),
  });
  return `${chart.replace(/ +$/gm, "")}\n${" ".repeat(labelWidth + 1)}${epochAxis(epochs, width)}\n`;
}

/** Epochs at round numbers, at least 8 columns apart. */
function epochAxis(epochs: number, width: number): string {
  const closest = (8 * epochs) / width;
  const power = 10 ** Math.max(0, Math.floor(Math.log10(closest)));
  const distance = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= closest) ?? 10 * power;
  const ticks = Array.from({ length: Math.floor(epochs / distance) + 1 }, (_, i) => i * distance);
  const axis = ticks.reduce((line, epoch) => line.padEnd(Math.round((epoch / epochs) * (width - 1))) + epoch, "");
  return `${axis} epoch`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
