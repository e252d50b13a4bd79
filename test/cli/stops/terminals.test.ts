/** Terminals that are closed, halted or plain, output that goes nowhere, nohup and npx: what becomes of a run, and of the terminal. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { KNACK, keptEvents, type Place, type Running, start, startKnack, until } from "../../support/command.js";
import { scratchFolder } from "../../support/tiny-training.js";
import { repositoryRoot } from "../../support/oracle.js";
import { writeTinyData } from "../../support/tiny-data.js";

after(() => {
  for (const run of readdirSync(at("."))) kill(at(run), "SIGKILL"); // what a test that failed has left
});
const at = scratchFolder("terminals");
const TINY = ["--model", "resnet18_small", "--option", "width=4", "--batch-size", "32", "--engine", "plain"];
const ENDLESS = [...TINY, "--epochs", "100000"];

/** util-linux's `script` has a terminal for a program; what it reads is typed, and its end closes the terminal. */
const skip = spawnSync("script", ["--version"]).status === 0 ? false : "needs util-linux's script";
const NO_PROC = existsSync("/proc/self/cmdline") ? false : "needs /proc";
/** As in signals.test.ts. */
const ALL = process.env.KNACK_ALL_SIGNALS === "1";

before(() => {
  writeTinyData(at("data"), { train: 2048, validation: 32 });
  writeTinyData(at("few"), { train: 64, validation: 32 });
});

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
const knack = (...args: readonly string[]) => quoted(["node", KNACK, "train", at("data"), ...args]);
const shortKnack = (run: string) => quoted(["node", KNACK, "train", at("few"), ...TINY, "--epochs", "1", "--out", run]);

/** A shell's line on a terminal. */
function onTerminal(line: string, env: NodeJS.ProcessEnv = {}): Running {
  return start("script", ["--quiet", "--return", "--command", `stty cols 100; ${line}`, "/dev/null"], {
    cwd: at("."),
    env,
  });
}

/** In an interactive bash, as people do it. */
function inBash(line: string, place: Place = {}): Running {
  const running = start("script", ["--quiet", "--return", "--command", "bash --norc --noprofile -i", "/dev/null"], {
    cwd: at("."),
    ...place,
  });
  running.child.stdin?.write(`${line}\n`);
  return running;
}

const steps = (run: string) => keptEvents(run).filter(({ type }) => type === "step").length;
const underWay = (run: string) => until("some steps", () => steps(run) > 3);
const isStopped = (run: string) => existsSync(join(run, "checkpoints/last")) && processOf(run) === undefined;

function kill(run: string, signal: NodeJS.Signals): void {
  const pid = processOf(run);
  if (pid !== undefined) process.kill(pid, signal);
}

/** The process that trains into a folder. */
function processOf(run: string): number | undefined {
  const found = readdirSync("/proc").find((name) => {
    try {
      const [program = "", ...words] = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      return basename(program) === "node" && words.includes(run);
    } catch {
      return false; // no process, or gone
    }
  });
  return found === undefined ? undefined : Number(found);
}

describe("a terminal", { skip, concurrency: 2 }, () => {
  test("Ctrl-C takes the bar away, then says that the run stops", async () => {
    const { child, ended, says } = onTerminal(knack(...ENDLESS, "--out", at("bar")));
    await says(/images\/s/);
    child.stdin?.write("\x03");
    const { code, stdout } = await ended;
    assert.equal(code, 130);
    const after = stdout.slice(stdout.lastIndexOf("\x1b[2K")); // where the bar was
    assert.match(
      after,
      /^\S*?(stopping at a checkpoint .*\r\n)?stopped in epoch \d+ after step \d+; go on with: .*\r\n$/,
    );
  });

  test("a second Ctrl-C leaves the cursor and line wrapping as they were", async () => {
    const { child, ended, says } = onTerminal(
      knack(...ENDLESS, "--batch-size", "64", "--option", "width=64", "--out", at("twice")),
    );
    await says(/tricks:/);
    child.stdin?.write("\x03");
    await says(/stopping at a checkpoint/);
    child.stdin?.write("\x03");
    const { code, stdout } = await ended;
    assert.equal(code, 130);
    for (const [off, on] of [
      ["\x1b[?25l", "\x1b[?25h"],
      ["\x1b[?7l", "\x1b[?7h"],
    ] as const) {
      assert.ok(stdout.lastIndexOf(off) <= stdout.lastIndexOf(on), JSON.stringify(off));
    }
  });

  for (const env of [{ TERM: "dumb" }, { CI: "1" }]) {
    test(`${JSON.stringify(env)}: plain lines`, async () => {
      const { code, stdout } = await onTerminal(shortKnack(at(Object.keys(env)[0] as string)), env).ended;
      assert.equal(code, 0);
      assert.match(stdout, /epoch 1\/1 \| .*\r\ndone in/);
      assert.ok(!stdout.includes("\x1b"), stdout);
    });
  }

  test("one that is halted (Ctrl-S) holds neither the run nor its stop", async () => {
    const run = at("halted");
    const { child, ended } = onTerminal(`exec ${knack(...ENDLESS, "--out", run)}`);
    await underWay(run);
    child.stdin?.write("\x13");
    const before = steps(run);
    await until("more steps", () => steps(run) > before + 60);
    kill(run, "SIGTERM");
    await until("the end", () => isStopped(run), 60);
    child.kill("SIGKILL");
    await ended;
  });

  test("one that is closed is a stop", async () => {
    const run = at("closed");
    const { child, ended } = inBash(knack(...ENDLESS, "--out", run));
    await underWay(run);
    child.kill("SIGKILL");
    await ended;
    await until("the end", () => isStopped(run), 60);
  });

  const apart = {
    "nohup, in the background": (command: string) => `nohup ${command} &`,
    "nohup, with its output in a file": (command: string) => `nohup ${command} > ${at("log")} 2>&1 < /dev/null &`,
    "a script under nohup": (command: string) => `nohup sh -c "${command}; :" > ${at("log2")} 2>&1 < /dev/null &`,
    "nohup npx": (command: string) =>
      `cd '${repositoryRoot}'; nohup npx ${command.replace(/'node' '[^']*'/, "knack")} > '${at("log3")}' 2>&1 &`,
    "no nohup, but nothing of it on the terminal": (command: string) => `${command} > ${at("log4")} 2>&1 < /dev/null &`,
  };
  const byDefault = ["nohup, in the background", "nohup npx"];
  for (const [name, line] of Object.entries(apart)) {
    if (!ALL && !byDefault.includes(name)) continue;
    test(`${name}: goes on when the terminal is closed`, async () => {
      const run = at(name.replaceAll(/\W+/g, "-"));
      const { child, ended } = inBash(line(knack(...ENDLESS, "--out", run)));
      await underWay(run);
      child.kill("SIGKILL");
      await ended;
      await delay(1500);
      const then = steps(run);
      await until("more steps", () => steps(run) > then + 3, 60);
      kill(run, "SIGTERM");
      await until("the end", () => isStopped(run), 60);
    });
  }
});

describe("output that goes nowhere costs nothing", { concurrency: 2 }, () => {
  const places = { "a closed pipe": "| head -1", "a full disk": "> /dev/full", "nothing open": ">&- 2>&- <&-" };
  for (const [name, where] of Object.entries(places)) {
    test(name, async () => {
      const run = at(name.replaceAll(" ", "-"));
      const { code, stderr } = await start("bash", ["-o", "pipefail", "-c", `${shortKnack(run)} ${where}`]).ended;
      assert.equal(code, 0, stderr);
      assert.equal(keptEvents(run).at(-1)?.type, "done");
      assert.ok(existsSync(join(run, "report.html")));
    });
  }
});

test("a pipe that nobody reads holds neither the run nor its stop", { skip: NO_PROC }, async () => {
  const run = at("unread");
  const line = `${knack(...ENDLESS, "--out", run, "--json")} | (cat & echo $! > reader; kill -STOP $!; wait)`;
  const { ended } = start("bash", ["-c", line], { cwd: at(".") });
  await until("more than a pipe holds", () => steps(run) > 300);
  kill(run, "SIGTERM");
  await until("the end", () => isStopped(run), 60);
  process.kill(Number(readFileSync(at("reader"), "utf8")), "SIGKILL");
  await ended;
});

test("SIGUSR1 before anything is loaded is a stop, not a debugger", async () => {
  const { child, ended } = startKnack(["train", at("data"), ...ENDLESS, "--out", at("early")]);
  // Node itself takes SIGUSR1, the tenth signal, as soon as it runs.
  const caught = () => {
    const status = existsSync("/proc/self") ? readFileSync(`/proc/${child.pid}/status`, "utf8") : "SigCgt: 200";
    return /^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
  };
  await until("Node", () => (BigInt(`0x${caught()}`) & (1n << 9n)) !== 0n);
  child.kill("SIGUSR1");
  assert.equal((await ended).code, 138);
});

test("a recipe that nobody writes into its pipe does not keep the process", { skip: NO_PROC }, async () => {
  const pipe = at("recipe.json");
  assert.equal((await start("mkfifo", [pipe]).ended).code, 0);
  const { child, ended } = startKnack(["train", at("data"), "--recipe", pipe, "--out", at("unwritten")]);
  const caught = () => /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? "0";
  // SIGXCPU, the 24th, is what only knack listens for.
  await until("knack", () => (BigInt(`0x${caught()}`) & (1n << 23n)) !== 0n);
  child.kill("SIGTERM");
  const { signal, stderr } = await ended;
  assert.deepEqual([signal, stderr], ["SIGTERM", "knack: stopped before it began\n"]);
  assert.ok(!existsSync(at("unwritten")));
});

test("the end of npx is a stop", { skip: NO_PROC }, async () => {
  const run = at("npx");
  const { child, ended } = start("npx", ["knack", "train", at("data"), ...ENDLESS, "--out", run], {
    cwd: repositoryRoot,
  });
  await underWay(run);
  child.kill("SIGKILL");
  await ended;
  await until("the end", () => isStopped(run), 60);
});
