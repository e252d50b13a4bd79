#!/usr/bin/env node
import { existsSync } from "node:fs";

const built = (path) => new URL(`../dist/src/cli/${path}`, import.meta.url);

if (existsSync(built("main.js"))) {
  // Before all else is loaded, so that a signal that comes meanwhile is not Node's.
  if (["train", "ablate"].includes(process.argv[2])) {
    const { listenForStops } = await import(built("stops/stop-requests.js").href);
    listenForStops();
  }
  const { main } = await import(built("main.js").href);
  await main(process.argv);
} else {
  console.error("knack: not set up yet: run `npm run setup`");
  process.exitCode = 2;
}
