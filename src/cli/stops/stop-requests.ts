/** What asks a command to stop: signals, and the end of npm. Imports little, so that it listens from the first moment on. */
import { close as closeDebugger, url as debuggerUrl } from "node:inspector";
import { constants } from "node:os";
import { hangupPolicy } from "./hangup.js";
import { watchNpm } from "./npm-parent.js";

/**
 * Ctrl-C; kill, Docker, systemd; the terminal was closed; Ctrl-\; what Slurm and others send before time is up, Node's own use of SIGUSR1
 * (a debugger's port) among them; the limit of CPU time.
 */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU"] as const;
type StopSignal = (typeof SIGNALS)[number];

/** A person who sends one of these again means it; machines send others again by themselves. */
const BY_HAND: ReadonlySet<StopSignal> = new Set(["SIGINT", "SIGTERM", "SIGQUIT"]);
/** One Ctrl-C may come twice, by the terminal and by who started knack (npx, timeout): only what comes later is another. */
export const SAME_REQUEST_MS = 100;
/** How long a stop waits for a command that has not begun. */
const UNBEGUN_MS = 5000;
/** The terminal goes shortly after the signal. */
const HANGUP_MS = 50;

const abort = new AbortController();
let first: StopSignal | undefined;
/** When the first one by hand came. */
let since: number | undefined;
let survivedHangup = false;
let listening = false;
let begun = false;

/** From now on no signal ends the process by itself. */
export function listenForStops(): void {
  if (listening) return;
  listening = true;
  const survives = hangupPolicy();
  for (const signal of SIGNALS) {
    if (signal === "SIGHUP") continue;
    process.on(signal, () => request(signal));
  }
  process.on("SIGHUP", () => {
    setTimeout(() => {
      if (survives()) survivedHangup = true;
      else request("SIGHUP");
    }, HANGUP_MS).unref();
  });
  if (openedBySignal()) {
    closeDebugger();
    request("SIGUSR1");
  }
  watchNpm(() => {
    // A hang-up ends npm too.
    if (!survivedHangup) request("SIGTERM");
  });
}

/** From now on the command itself ends when `stopRequested` aborts. */
export function begin(): void {
  begun = true;
}

/** A SIGUSR1 before there was a listener has opened Node's debugger. */
function openedBySignal(): boolean {
  const asked = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].some((option) => option.includes("--inspect"));
  return debuggerUrl() !== undefined && !asked;
}

/** Aborts at the first request. */
export const stopRequested: AbortSignal = abort.signal;

/** What a shell expects of a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM. */
export function stoppedExitCode(): number {
  return 128 + constants.signals[first ?? "SIGTERM"];
}

/** Ends the process without waiting for anything: threads that hang in a library keep it from any other end. */
export function dieNow(signal: StopSignal = first ?? "SIGTERM"): void {
  const fatal = signal === "SIGINT" ? "SIGINT" : "SIGTERM"; // some others would leave a core
  process.removeAllListeners(fatal);
  process.kill(process.pid, fatal);
}

function request(signal: StopSignal): void {
  const now = performance.now();
  const byHand = BY_HAND.has(signal);
  if (byHand && since !== undefined && now - since > SAME_REQUEST_MS) dieNow(signal);
  if (byHand) since ??= now;
  first ??= signal;
  // A recipe is being read, perhaps from a pipe that nobody writes to: a thread that Node waits for when it ends by itself.
  if (!abort.signal.aborted) setTimeout(endUnlessBegun, UNBEGUN_MS).unref();
  abort.abort();
}

function endUnlessBegun(): void {
  if (begun) return;
  console.error("knack: stopped before it began");
  dieNow();
}
