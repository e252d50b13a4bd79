import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

/** Names that are markup, scripts, quotes, lines, or turn the text around them. */
export const HOSTILE_NAMES = [
  "<img src=x onerror=alert(1)>",
  "</script><script>alert(2)</script>",
  `"onmouseover="alert(3)' it's`,
  "two\nlines",
  "\u202eright to left",
  `</style><svg onload=alert(4)>${"very long ".repeat(20)}end`,
];

const PICTURES = 6;

/**
 * Writes small pictures of noise, whose files and classes bear hostile names, and the table that lists them.
 *
 * @returns the table
 */
export async function writeHostilePhotos(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const rows: string[] = ["path,label,split"];
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  for (const [label, name] of HOSTILE_NAMES.entries()) {
    for (let picture = 0; picture < PICTURES; picture++) {
      // A file's name has no slash, and less than 256 bytes.
      const file = `${picture} ${name.replaceAll("/", "").slice(0, 60)}.png`;
      const noise = { type: "gaussian", mean: 40 * label + 20, sigma: 30 } as const;
      await sharp({ create: { width: 40, height: 32, channels: 3, background: "black", noise } })
        .png()
        .toFile(join(folder, file));
      rows.push([quoted(file), quoted(name), picture < PICTURES / 2 ? "train" : "val"].join(","));
    }
  }
  const table = join(folder, "photos.csv");
  writeFileSync(table, `${rows.join("\n")}\n`);
  return table;
}
