#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../dist/src/cli/main.js", import.meta.url);

if (existsSync(main)) {
  const cli = await import(main.href);
  await cli.main(process.argv);
} else {
  console.error("knack: not set up yet: run `npm run setup`");
  process.exitCode = 2;
}
