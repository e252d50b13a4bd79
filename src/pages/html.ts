import { printable } from "../base/printable.js";

/** Markup that is put into a page as it is. Everything else is text, and escaped. */
export class Html {
  /** @param markup of ours, or of a library that escapes; never with text of a user in it as it came */
  constructor(readonly markup: string) {}
}

export type HtmlPart = string | number | Html | readonly Html[];

/**
 * Markup with text in it: html`<p title="${text}">${text}</p>`. Strings and numbers are escaped, so that they are text between tags and in
 * quoted attributes whatever they hold; `Html`, and lists of it, goes in as it is.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  const texts = parts.map((part, index) => markupOf(part) + (strings[index + 1] as string));
  return new Html((strings[0] as string) + texts.join(""));
}

/** The name of a class or a file, on one line, without an effect on the direction of the text around it. */
export function nameHtml(name: string): Html {
  return html`<bdi>${printable(name)}</bdi>`;
}

function markupOf(part: HtmlPart): string {
  if (part instanceof Html) return part.markup;
  if (typeof part === "string" || typeof part === "number") return escaped(String(part));
  return part.map(({ markup }) => markup).join("");
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
