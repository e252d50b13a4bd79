/** How busy other programs keep the machine. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { OtherPrograms, sharedCores } from "../../src/base/other-programs.js";

const silent = cpus().every(({ times }) => times.user + times.sys + times.idle === 0);

test("another program's core counts, and this one's own does not", {
  skip: silent && "the system does not say",
}, async () => {
  const loop = spawn(process.execPath, ["-e", "for (;;);"]);
  try {
    await setTimeout(300);
    const others = new OtherPrograms();
    await setTimeout(600);
    const idle = others.processors();
    assert.ok(idle > 0.5, `${idle}, and a loop runs`);
    const [computing, before, started] = [new OtherPrograms(), process.cpuUsage(), performance.now()];
    while (performance.now() < started + 600);
    const beside = computing.processors();
    const { user, system } = process.cpuUsage(before);
    const own = (user + system) / 1000 / (performance.now() - started);
    assert.ok(beside < cpus().length - own + 0.25, `${beside} beside ${own} of ${cpus().length}`);
  } finally {
    loop.kill("SIGKILL");
  }
});

test("it is said where threads that compute would have to share", () => {
  assert.equal(sharedCores(0.2, 2, 2), undefined);
  assert.equal(sharedCores(1.26, 2, 2), "other programs keep 1.3 of 2 cores busy");
  assert.equal(sharedCores(3.9, 4, 8), undefined);
  assert.equal(sharedCores(3, 2, 0), undefined);
});
