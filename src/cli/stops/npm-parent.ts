/**
 * `npx knack`, and `npm run` with a script that calls knack, do not hand every signal on: npm ends, or the shell between, and the run
 * would go on as an orphan that nobody knows of. Their end is therefore a request to stop. Whoever else started knack may end as
 * they please: that is how one starts it in the background.
 */
import { basename } from "node:path";
import { commandOf, parentOf } from "./processes.js";

const SECONDS = 1;
const PACKAGE_MANAGERS = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|bun|bunx)(-cli)?(\.[cm]?js)?$/;

/** Calls `ended` once, when npm is gone. Does not keep the process alive. */
export function watchNpm(ended: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const [parent, npm] = [process.ppid, parentOf(process.ppid)];
  const isShell = !isNpm(parent) && isNpm(npm);
  // Where no process can be looked at, what npm put into the environment has to do.
  if (!isShell && !isNpm(parent) && commandOf(process.pid).length > 0) return;
  const timer = setInterval(() => {
    if (process.ppid === parent && (!isShell || parentOf(parent) === npm)) return;
    clearInterval(timer);
    ended();
  }, 1000 * SECONDS);
  timer.unref();
}

/** "npm exec knack train" is what npm calls itself; "node /usr/lib/…/npx-cli.js knack train" before. */
function isNpm(pid: number): boolean {
  return commandOf(pid)
    .slice(0, 2)
    .some((word) => PACKAGE_MANAGERS.test(basename(word)));
}
