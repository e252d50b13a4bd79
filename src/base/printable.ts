/**
 * A name that is anybody's (of a class, a file) as one line of text: control characters, half surrogates and the characters that turn the
 * text around become a middle dot.
 *
 * @param most characters it is cut to, the last then being "…"
 */
export function printable(name: string, most = Number.POSITIVE_INFINITY): string {
  const letters = [...name.replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufffe\uffff]/gu, "\u00b7")];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : letters.join("");
}

/** A piece of a possibly damaged file for a message: on one line, and not longer than `most` characters. */
export function quoted(value: unknown, most = 80): string {
  try {
    return (JSON.stringify(value) ?? "nothing").slice(0, most);
  } catch {
    // JSON.stringify goes down by recursion: a value of a damaged file can be nested too deeply for it.
    return "something deeply nested";
  }
}

/** A number for people: six significant digits, without zeros at the end. */
export function digits(value: number): string {
  return Number(value.toPrecision(6)).toString();
}

/** "1 epoch", "2 epochs", "0.5 epochs" */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
