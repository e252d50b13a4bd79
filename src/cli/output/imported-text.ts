import type { Imported } from "../../weights/import-weights.js";

const LONGEST_LINE = 300;
const MOST_LINES = 30;

/** What `knack import` and `knack pull` say when they are done. */
export function importedText(
  source: string,
  directory: string,
  { config, tensors, metadata, notes, warnings }: Imported,
): string {
  const { architecture, num_classes: classes, input_size: size, mean, std, interpolation, crop_pct: crop } = config;
  // What the file says is another's text: it may not steer the terminal.
  const itself = Object.entries(metadata).map(([key, text]) => `  it says ${plain(key)}: ${plain(text)}`);
  return [
    `read ${source}: ${tensors} tensors`,
    ...itself.slice(0, MOST_LINES),
    ...notes.map((note) => `  note: ${plain(note)}`),
    ...warnings.map((warning) => `  warning: ${plain(warning)}`),
    `wrote ${directory}: ${architecture}${optionsText(config.model_options)}, ${classes} classes, input ${size.join("x")}, ${interpolation}, crop ${crop}, ` +
      `mean ${mean.join(",")}, std ${std.join(",")}, ${config.license ?? "licence unknown"}`,
    `go on with: knack predict ${directory} IMAGE | knack eval ${directory} DATA`,
  ].join("\n");
}

function optionsText(options: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  return texts.length > 0 ? ` (${texts.join(", ")})` : "";
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").slice(0, LONGEST_LINE);
}
