/** Files beside the pictures that are not read, hidden ones and leftovers of systems left out. */
export interface OtherFiles {
  count: number;
  /** Paths relative to the root, the first twenty. */
  readonly examples: string[];
  /** Those among them that are pictures, of formats that are not read: { "HEIC": 5 }. */
  pictures?: Record<string, number>;
}

const EXAMPLES = 20;

/** What has a picture's name and cannot be read twice. */
export const PIPE = "pipe or device";

/** @param format what kind of picture it is, if it is one */
export function addOther(others: OtherFiles, path: string, format?: string): void {
  others.count++;
  if (others.examples.length < EXAMPLES) others.examples.push(path);
  if (format === undefined) return;
  others.pictures ??= {};
  others.pictures[format] = (others.pictures[format] ?? 0) + 1;
}

/** "8 of 30 files not read: 5 HEIC, 3 BMP (…)", undefined where there are none. @param read pictures beside them */
export function unreadText({ pictures = {} }: OtherFiles, read: number): string | undefined {
  const formats = Object.entries(pictures).sort(([, a], [, b]) => b - a);
  if (formats.length === 0) return undefined;
  const unread = formats.reduce((sum, [, count]) => sum + count, 0);
  const listed = formats.map(([name, count]) => `${count} ${name}`).join(", ");
  const convert = formats.some(([name]) => name !== PIPE);
  return `${unread} of ${read + unread} files not read: ${listed}${convert ? " (convert them, as by ImageMagick's mogrify -format png)" : ""}`;
}
