/** The command line as a process of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { TrainEvent } from "../../src/run/events.js";
import { repositoryRoot } from "./oracle.js";

export const KNACK = join(repositoryRoot, "bin/knack.js");
const COMMAND_LINES = fileURLToPath(new URL("../children/command-lines.js", import.meta.url));

/** What is there of processes that npm started must not make knack look for npm. */
const { npm_lifecycle_event: _, ...environment } = process.env;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when its output or its complaints match; rejects where it ends before. */
  says(text: RegExp): Promise<void>;
}

export interface Place {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export function start(program: string, args: readonly string[], { cwd, env }: Place = {}): Running {
  const child = spawn(program, args, {
    cwd,
    env: { ...environment, OMP_NUM_THREADS: "1", CI: "", TERM: "xterm", ...env },
    stdio: "pipe",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  child.stdin.on("error", () => {}); // it may be gone
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const says = (text: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => text.test(stdout + stderr) && resolve();
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.on("close", () => reject(new Error(`ended without ${text}: ${stdout}${stderr}`)));
      look();
    });
  return { child, ended, says };
}

export function startKnack(args: readonly string[], place?: Place): Running {
  return start(process.execPath, [KNACK, ...args], place);
}

/** What becomes of each of these command lines, all in one process, which loads knack once: for those that are refused. */
export async function commandLines(lines: readonly (readonly string[])[], place?: Place): Promise<Ended[]> {
  const { stdout, stderr, code } = await start(process.execPath, [COMMAND_LINES, JSON.stringify(lines)], place).ended;
  assert.deepEqual([stderr, code], ["", 0]);
  return JSON.parse(stdout);
}

/** What is wrong is said in one line for people, and the process ends by itself. */
export function assertOneLine(ended: Ended | undefined, expectedCode: number, message: RegExp): void {
  assert.ok(ended);
  const { stderr, code, signal } = ended;
  assert.match(stderr, /^knack: [^\n]+\n$/);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, /\bat \S+:\d+:\d+|node:internal|\[object|undefined|TypeError/);
  assert.deepEqual({ code, signal }, { code: expectedCode, signal: null });
}

/** The whole lines that a run's folder has of it. */
export function keptEvents(run: string): TrainEvent[] {
  const file = join(run, "metrics.jsonl");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

/** Looks until something is so. */
export async function until(what: string, isSo: () => boolean, seconds = 120): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await delay(50);
  }
}
