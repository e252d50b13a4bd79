import { readFileSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { join } from "node:path";
import { processesOfMachine } from "./launcher.js";

/** What the control groups of a process allow it: Infinity where they set no limit. */
export interface GroupLimits {
  /** Seconds of processor time a second. */
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  /** Threads, of all processes of the group together. */
  readonly threads: number;
}

const SELF = "/proc/self";

/**
 * The processors that this process can keep busy: those of its affinity, but no more than its control groups give it time for.
 * Half a processor counts as one: two threads in the time of one and a half are faster than one, in that of one and a fifth they are not.
 * Of those that a launcher started on this machine to train together, each has its share.
 */
export function usableProcessors(proc = SELF): number {
  const all = Math.min(availableParallelism(), Math.max(1, Math.round(groupLimits(proc).processors)));
  return Math.max(1, Math.floor(all / processesOfMachine()));
}

/** Bytes of memory that this process can have: the machine's, or what its control groups allow. */
export function usableMemory(proc = SELF): number {
  return Math.min(totalmem(), groupLimits(proc).memory);
}

/** Bytes of memory that this process could take beside what is taken now; what the system only keeps of files is free. */
export function availableMemory(proc = SELF): number {
  const left = [...controlGroups(proc)]
    .filter(({ controller }) => controller === "memory" || controller === UNIFIED)
    .flatMap(({ controller, folders }) => folders.map(controller === UNIFIED ? leftV2 : leftV1));
  return Math.max(0, Math.min(freemem(), ...left));
}

/** How many processes the kernel has killed for lack of memory since it started; undefined where it does not say. */
export function memoryKills(proc = "/proc"): number | undefined {
  const line = linesOf(join(proc, "vmstat")).find((each) => each.startsWith("oom_kill "));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
}

/**
 * The limits of the process's control groups, of version 1 and 2: of each the smallest on the way from the group up to the root
 * that is mounted. None where the system has no control groups.
 *
 * @param proc the process's folder in /proc: `cgroup` names its groups, `mountinfo` where they are to be read
 */
export function groupLimits(proc = SELF): GroupLimits {
  const groups = [...controlGroups(proc)];
  const least = (limits: Record<string, (folder: string) => number>) =>
    Math.min(
      ...groups
        .filter(({ controller }) => controller in limits)
        .flatMap(({ controller, folders }) => folders.map((folder) => limits[controller]?.(folder) ?? Infinity)),
    );
  return {
    processors: least({ cpu: quotaV1, [UNIFIED]: quotaV2 }),
    memory: least({
      memory: (folder) => numberIn(folder, "memory.limit_in_bytes"),
      [UNIFIED]: (folder) => numberIn(folder, "memory.max"),
    }),
    threads: least({
      pids: (folder) => numberIn(folder, "pids.max"),
      [UNIFIED]: (folder) => numberIn(folder, "pids.max"),
    }),
  };
}

/** Version 1 has a number that no machine reaches where there is no limit. */
const MOST_BYTES = 2 ** 60;

/** What stands for the controllers in the one hierarchy of version 2. */
const UNIFIED = "";

/** Each controller, and the folders of the process's group for it: from the group itself up to what is mounted. */
function* controlGroups(proc: string): Generator<{ controller: string; folders: string[] }> {
  const mounts = groupMounts(proc);
  for (const line of linesOf(join(proc, "cgroup"))) {
    // "4:cpu,cpuacct:/docker/1f2e", and of version 2 "0::/user.slice"
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(",")) {
      const mount = mounts.get(controller);
      if (mount) yield { controller, folders: foldersOf(mount, path) };
    }
  }
}

interface Mount {
  /** The group that is seen at the mount point. */
  readonly root: string;
  readonly point: string;
}

/** Where the hierarchy of each controller is mounted. */
function groupMounts(proc: string): Map<string, Mount> {
  const mounts = new Map<string, Mount>();
  for (const line of linesOf(join(proc, "mountinfo"))) {
    // "34 31 0:31 /docker/1f2e /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu"
    const [place = "", system = ""] = line.split(" - ");
    const [, , , root = "", point = ""] = place.split(" ").map(unescaped);
    const [type, , options = ""] = system.split(" ");
    const controllers = type === "cgroup2" ? [UNIFIED] : type === "cgroup" ? options.split(",") : [];
    for (const controller of controllers) if (!mounts.has(controller)) mounts.set(controller, { root, point });
  }
  return mounts;
}

/** Of a container a part of the hierarchy may be mounted, or the path be that outside of it: then what is mounted is its group. */
function foldersOf({ root, point }: Mount, path: string): string[] {
  const prefix = root === "/" ? "" : root;
  const inside = path === prefix || path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : "";
  const names = inside.split("/").filter((name) => name !== "");
  if (names.includes("..")) return [point];
  return Array.from({ length: names.length + 1 }, (_, depth) => join(point, ...names.slice(0, names.length - depth)));
}

function quotaV1(folder: string): number {
  const quota = numberIn(folder, "cpu.cfs_quota_us"); // -1 for none
  return quota > 0 ? quota / numberIn(folder, "cpu.cfs_period_us", 100_000) : Infinity;
}

function quotaV2(folder: string): number {
  const [quota, period = 100_000] = textIn(join(folder, "cpu.max")).trim().split(" ").map(Number); // "max 100000" for none
  return quota && quota > 0 ? quota / period : Infinity;
}

function leftV1(folder: string): number {
  return (
    numberIn(folder, "memory.limit_in_bytes") -
    numberIn(folder, "memory.usage_in_bytes", 0) +
    cachedIn(folder, "total_inactive_file")
  );
}

function leftV2(folder: string): number {
  return numberIn(folder, "memory.max") - numberIn(folder, "memory.current", 0) + cachedIn(folder, "inactive_file");
}

/** Bytes of files that the system keeps in memory as long as nobody needs it. */
function cachedIn(folder: string, key: string): number {
  const line = linesOf(join(folder, "memory.stat")).find((each) => each.startsWith(`${key} `));
  return Number(line?.split(" ")[1] ?? 0);
}

function numberIn(folder: string, file: string, otherwise = Infinity): number {
  const text = textIn(join(folder, file)).trim();
  const number = /^-?\d+$/.test(text) ? Number(text) : otherwise;
  return number > MOST_BYTES ? Infinity : number;
}

function linesOf(file: string): string[] {
  return textIn(file)
    .split("\n")
    .filter((line) => line !== "");
}

function textIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // not there, or none of our business
  }
}

/** Blanks and the like stand as octal numbers in mountinfo. */
function unescaped(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}
