/** A piece of a possibly damaged file for a message: on one line and not long. */
export function quoted(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? "nothing").slice(0, 80);
  } catch {
    // JSON.stringify goes down by recursion: a value of a damaged file can be nested too deeply for it.
    return "something deeply nested";
  }
}
