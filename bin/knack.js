#!/usr/bin/env node
// CommonJS, as package.json beside it says: Node reads modules by the threads whose number is set here, so a module would set it too late.
const { existsSync, readFileSync } = require("node:fs");
const { availableParallelism } = require("node:os");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

const built = (path) => join(__dirname, "../dist/src/cli", path);
/** Files that may be open at once: with fewer, Node says of modules that they are not there. With 256 every command works. */
const LEAST_FILES = 128;

process.env.UV_THREADPOOL_SIZE ??= String(poolSize());
run();

async function run() {
  if (!existsSync(built("main.js"))) return fail("not set up yet: run `npm run setup`", 2);
  const files = openFiles();
  if (files < LEAST_FILES) return fail(`too few files may be open: ulimit -n is ${files}; raise it to 256`, 1);
  // Before all else is loaded, so that a signal that comes meanwhile is not Node's.
  if (["train", "ablate"].includes(process.argv[2])) {
    const { listenForStops } = await import(pathToFileURL(built("stops/stop-requests.js")).href);
    listenForStops();
  }
  const { main } = await import(pathToFileURL(built("main.js")).href);
  await main(process.argv);
}

/** Node's threads that read and decode pictures: as many as cores and loader threads can keep busy, and one that reads meanwhile. */
function poolSize() {
  const workers = Number(/ --workers[ =](\d{1,3})( |$)/.exec(process.argv.join(" "))?.[1] ?? 0);
  return Math.max(4, availableParallelism() + 1, workers + 1);
}

/** How many files this process may have open; Infinity where the system does not say. */
function openFiles() {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

function fail(message, exitCode) {
  console.error(`knack: ${message}`);
  process.exitCode = exitCode;
}
