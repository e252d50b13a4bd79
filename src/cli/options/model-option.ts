import { InputError } from "../../base/errors.js";

/** Options of a model by name, as the command line gives them. */
export type ModelOptionValues = Record<string, number | string | boolean>;

/** Reads one `--option KEY=VALUE` (numbers, true and false are values of their own kind) and adds it to the earlier ones. */
export function modelOption(text: string, earlier: ModelOptionValues = {}): ModelOptionValues {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InputError(`--option: must be KEY=VALUE, such as width=32, not ${JSON.stringify(text)}`);
  return { ...earlier, [text.slice(0, equals)]: typed(text.slice(equals + 1)) };
}

function typed(text: string): number | string | boolean {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}
