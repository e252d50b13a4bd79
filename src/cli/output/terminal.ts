/**
 * Whether lines on `stream` may be drawn over: on a terminal that can do that, and not where a program reads along (CI). Elsewhere
 * nothing but plain lines is written.
 */
export function canRedraw(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv = process.env): boolean {
  if ((stream as NodeJS.WriteStream).isTTY !== true || env.TERM === "dumb") return false;
  return ["", "0", "false"].includes(env.CI ?? "");
}
