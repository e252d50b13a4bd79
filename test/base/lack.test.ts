/** A lack of files, threads or memory is told from other errors, and names the limit. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { systemReason } from "../../src/base/atomic-file.js";
import { InputError } from "../../src/base/errors.js";
import { LackError, lackIn } from "../../src/base/lack.js";

function coded(code: string, message = `${code}: some words, open 'x'`): Error {
  return Object.assign(new Error(message), { code });
}

const FILES = /^too many open files: ulimit -n is \d+; raise it$/;
const THREADS = /^no more threads can be started: /;
// Only what is set can be raised.
const MEMORY =
  /^out of memory: (the machine has no more;|.* is \d+; raise it, or) use a smaller model or --batch-size$/;

for (const [error, expected] of [
  [coded("EMFILE"), FILES],
  [coded("ENFILE"), FILES],
  [new Error("VipsJpeg: unable to open for read: Too many open files"), FILES],
  [coded("ERR_WORKER_INIT_FAILED", "Worker initialization failure: EAGAIN"), THREADS],
  [coded("EAGAIN", "spawn EAGAIN"), THREADS],
  [new Error("glib: Error creating thread: Resource temporarily unavailable"), THREADS],
  [new Error("vips_threadpool_run: unable to create thread"), THREADS],
  [coded("ENOMEM"), MEMORY],
  [new RangeError("Array buffer allocation failed"), MEMORY],
  [new Error("vips_tracked: out of memory --- size == 1000MB"), MEMORY],
  [coded("ERR_WORKER_OUT_OF_MEMORY", "Worker terminated due to reaching memory limit: JS heap out of memory"), MEMORY],
  [new Error("std::bad_alloc"), MEMORY],
] as const) {
  test(`${error.message} is a lack`, () => {
    const lack = lackIn(error);
    assert.ok(lack instanceof LackError && !(lack instanceof InputError));
    assert.match(lack.message, expected);
    assert.equal(lack.message.includes("\n"), false);
    assert.equal(lack.cause, error);
    assert.equal(systemReason(error), lack.message);
    assert.equal(lackIn(lack), lack);
  });
}

for (const error of [
  coded("ENOENT"),
  coded("EACCES"),
  coded("ENOSPC"),
  new Error("VipsJpeg: premature end of JPEG image"),
  new Error(""),
  // For people already, and maybe with a file's name in it.
  new InputError('there is no "EMFILE out of memory.jpg"'),
  "no error",
  undefined,
]) {
  test(`${error instanceof Error ? error.message || "nothing" : error} is no lack`, () =>
    assert.equal(lackIn(error), undefined));
}

test("the limits that are set are named", (t) => {
  const module = new URL("../../src/base/lack.js", import.meta.url).href;
  const script = `const { lackIn } = await import(${JSON.stringify(module)});
    console.log(["EMFILE", "EAGAIN", "ENOMEM"].map((code) => lackIn(Object.assign(new Error(""), { code })).message).join("\\n"))`;
  const run = spawnSync(
    "bash",
    [
      "-c",
      'ulimit -n 300 && ulimit -u 4321 && ulimit -v 8000000 && exec "$@"',
      "bash",
      process.execPath,
      "--input-type=module",
      "-e",
      script,
    ],
    { encoding: "utf8" },
  );
  if (/ulimit/.test(run.stderr)) return t.skip(`limits cannot be set here: ${run.stderr.trim()}`);
  const [files, threads, memory] = run.stdout.split("\n");
  assert.match(files ?? run.stderr, /ulimit -n is 300\b/);
  assert.match(threads ?? "", /ulimit -u is 4321\b/);
  assert.match(memory ?? "", /ulimit -v, in bytes, is 8192000000\b/);
});
