import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

const ROOT = "/sys/fs/cgroup";
let groups = 0;

/** A limit in the words of both versions of control groups: file and value. */
export interface Limit {
  readonly controller: "cpu" | "memory" | "pids";
  readonly v1: Readonly<Record<string, string>>;
  readonly v2: Readonly<Record<string, string>>;
}

export function quota(processors: number): Limit {
  const micros = `${Math.round(processors * 100_000)}`;
  return { controller: "cpu", v1: { "cpu.cfs_quota_us": micros }, v2: { "cpu.max": `${micros} 100000` } };
}

export function memory(bytes: number): Limit {
  return { controller: "memory", v1: { "memory.limit_in_bytes": `${bytes}` }, v2: { "memory.max": `${bytes}` } };
}

export function threads(most: number): Limit {
  return { controller: "pids", v1: { "pids.max": `${most}` }, v2: { "pids.max": `${most}` } };
}

/** A group below the system's with a limit, for a test. */
export class ControlGroup implements Disposable {
  private constructor(readonly folder: string) {}

  /** @returns the group, or why there can be none on this machine */
  static make(limit: Limit): ControlGroup | string {
    try {
      const isV2 = existsSync(`${ROOT}/cgroup.controllers`);
      const parent = isV2 ? ROOT : `${ROOT}/${limit.controller}`;
      if (!existsSync(parent)) return `there is no ${parent}`;
      if (isV2) {
        if (!readFileSync(`${ROOT}/cgroup.controllers`, "utf8").includes(limit.controller)) {
          return `the control groups here have no ${limit.controller}`;
        }
        writeFileSync(`${ROOT}/cgroup.subtree_control`, `+${limit.controller}`);
      }
      const group = new ControlGroup(`${parent}/knack-test-${process.pid}-${groups++}`);
      mkdirSync(group.folder);
      try {
        for (const [file, value] of Object.entries(isV2 ? limit.v2 : limit.v1)) {
          writeFileSync(`${group.folder}/${file}`, value);
        }
      } catch (error) {
        group[Symbol.dispose]();
        throw error;
      }
      return group;
    } catch (error) {
      return `control groups cannot be made here: ${(error as Error).message}`;
    }
  }

  /** Runs a command in the group. */
  run(command: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const enter = ["-c", 'echo $$ > "$1" && shift && exec "$@"', "sh", `${this.folder}/cgroup.procs`];
    // Far more than it takes: what is not over then hangs.
    return spawnSync("sh", [...enter, ...command], { encoding: "utf8", env, timeout: 300_000, killSignal: "SIGKILL" });
  }

  [Symbol.dispose](): void {
    // The kernel takes a moment to notice that the last process has ended.
    for (let tries = 0; tries < 50; tries++) {
      try {
        rmdirSync(this.folder);
        return;
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      }
    }
  }
}
