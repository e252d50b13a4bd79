import type { SingleBar } from "cli-progress";
import { Command } from "commander";
import type { PhotoReport, PictureGroup, Spread } from "../../tools/data-check/check-photos.js";
import { addListOptions, type ListCommandOptions, listOptionsFrom } from "../options/data-options.js";
import { intensityFrom } from "../options/intensity.js";
import { progressBar } from "../output/progress-bar.js";
import { canRedraw } from "../output/terminal.js";

/** Lines of each list that people are shown; --json has all. */
const SHOWN = 20;

interface CheckOptions extends ListCommandOptions {
  json?: boolean;
  sheet?: string;
  intensity?: string;
}

/** `knack data check`: reads every picture of a set of photographs and says what is wrong with it. */
export function dataCheckCommand(): Command {
  const command = new Command("check")
    .description("read every picture of a set of photographs: counts, sizes, unreadable and duplicate files, leakage")
    .argument("<data>", "FOLDER (CLASS/x.jpg or train/CLASS/x.jpg), TABLE.csv, or tar files (shards-{000..012}.tar)")
    .option("--json", "print all that was found as one JSON object")
    .option("--sheet <file>", "also write a contact sheet, a PNG with some training pictures of each class")
    .option("--intensity <min,max>", "the values that are black and white in 16-bit and floating-point pictures")
    .addHelpText(
      "after",
      "\nExit code: 0 where the data can be used, 1 where something must be mended, 2 where it cannot be opened.",
    );
  return addListOptions(command).action(
    async (data: string, { json, sheet, intensity: asked, ...list }: CheckOptions) => {
      const intensity = intensityFrom(asked);
      // Only here, so that the other commands start without the picture library.
      const { openPhotos } = await import("../../data/sources/open.js");
      const { checkPhotos } = await import("../../tools/data-check/check-photos.js");
      const { alikePhotos } = await import("../../data/photos/alike-photos.js");
      const read = listOptionsFrom(list);
      const asListed = openPhotos(data, undefined, read);
      const alike = await alikePhotos([asListed.train, asListed.validation], { intensity });
      // As a run divides it.
      const source = asListed.split === "given" ? asListed : openPhotos(data, undefined, { ...read, alike });
      if (sheet !== undefined) {
        const { writeContactSheet } = await import("../../tools/data-check/contact-sheet.js");
        await writeContactSheet(source.train, sheet, intensity);
      }
      const progress = readingBar(source.train.count + source.validation.count);
      const seen = (done: number) => progress?.update(done);
      const report = await checkPhotos(source, { intensity, alike, seen }).finally(() => progress?.stop());
      if (json) console.log(JSON.stringify(sheet === undefined ? report : { ...report, sheet }));
      else {
        console.log(reportLines(report).join("\n"));
        console.log(sheet === undefined ? "to look at the pictures: --sheet FILE.png" : `contact sheet: ${sheet}`);
      }
      if (report.problems.length > 0) process.exitCode = 1;
    },
  );
}

function readingBar(total: number): SingleBar | undefined {
  if (!canRedraw(process.stderr)) return undefined;
  const bar = progressBar("reading |{bar}| {value}/{total}", process.stderr);
  bar.start(total, 0);
  return bar;
}

function reportLines(report: PhotoReport): string[] {
  const { classes, sizes, formats, unreadable, duplicates, alike, problems, advice } = report;
  const width = Math.max(...classes.map(({ name }) => shown(name).length), "class".length);
  const row = (name: string, train: string, validation: string) =>
    `  ${name.padEnd(width)} ${train.padStart(9)} ${validation.padStart(11)}`;
  return [
    report.description,
    row("class", "training", "validation"),
    ...listed(classes, (entry) =>
      row(shown(entry.name), entry.train.toLocaleString("en"), entry.validation.toLocaleString("en")),
    ),
    ...(sizes
      ? [
          "sizes (least, median, most):",
          `  width ${spread(sizes.width)}, height ${spread(sizes.height)}, megapixels ${spread(sizes.megapixels)}`,
        ]
      : []),
    `formats: ${
      Object.entries(formats)
        .map(([format, count]) => `${format} ${count.toLocaleString("en")}`)
        .join(", ") || "none"
    }`,
    ...(unreadable.length > 0 ? [`unreadable pictures: ${unreadable.length}`] : []),
    ...listed(unreadable, ({ name, reason }) => `  ${shown(name)}: ${reason}`),
    ...(duplicates.length > 0 ? [`pictures there more than once: ${duplicates.length}`] : []),
    ...listed(duplicates, (group) => groupLine(group, " = ")),
    ...(alike.length > 0 ? [`pictures that look alike: ${alike.length} groups`] : []),
    ...listed(alike, (group) => groupLine(group, " ~ ")),
    ...advice.map((line) => `note: ${line}`),
    ...problems.map((line) => `must be mended: ${line}`),
    ...(problems.length > 0 ? [] : ["the data can be used"]),
  ];
}

function groupLine({ pictures, leak, labelConflict }: PictureGroup, between: string): string {
  const marks = [leak ? "training and validation" : "", labelConflict ? "several classes" : ""].filter(Boolean);
  return `  ${pictures.map(({ name }) => shown(name)).join(between)}${marks.length > 0 ? ` (${marks.join(", ")})` : ""}`;
}

function listed<T>(items: readonly T[], line: (item: T) => string): string[] {
  const lines = items.slice(0, SHOWN).map(line);
  return items.length > SHOWN ? [...lines, `  … and ${items.length - SHOWN} more (--json has all)`] : lines;
}

function spread({ min, median, max }: Spread): string {
  const digits = (value: number) => String(Number(value.toPrecision(3)));
  return Number.isInteger(min) && Number.isInteger(max)
    ? `${min}, ${median}, ${max}`
    : [min, median, max].map(digits).join(", ");
}

/** A name on one line, and without codes that terminals obey. */
function shown(name: string): string {
  return /\p{Cc}/u.test(name) ? JSON.stringify(name) : name;
}
