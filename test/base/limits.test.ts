/** What control groups allow a process, read from trees of files as kernels and containers show them. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname } from "node:path";
import { test } from "node:test";
import { groupLimits, usableMemory, usableProcessors } from "../../src/base/limits.js";
import { scratchFolder } from "../support/scratch-folder.js";

const NONE = Number.POSITIVE_INFINITY;
const at = scratchFolder("limits");

interface Machine {
  /** Lines of /proc/self/cgroup. */
  readonly groups: readonly string[];
  /** Of each mount: the group that is seen there, the place below the scratch folder, and type and options as in mountinfo. */
  readonly mounts: readonly (readonly [root: string, place: string, system: string])[];
  readonly files: Readonly<Record<string, string>>;
}

let machines = 0;
/** Writes a machine's files. @returns its /proc/self */
function machine({ groups, mounts, files }: Machine): string {
  const home = at(`machine ${machines++}`); // with a blank, which mountinfo writes as \040
  const write = (name: string, text: string) => {
    mkdirSync(dirname(`${home}/${name}`), { recursive: true });
    writeFileSync(`${home}/${name}`, text);
  };
  for (const [name, text] of Object.entries(files)) write(name, `${text}\n`);
  write("proc/cgroup", groups.map((line) => `${line}\n`).join(""));
  const lines = mounts.map(
    ([root, place, system], i) =>
      `${30 + i} 25 0:${30 + i} ${root} ${`${home}/${place}`.replaceAll(" ", "\\040")} rw,nosuid shared:${i} - ${system}\n`,
  );
  write("proc/mountinfo", `22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n${lines.join("")}`);
  return `${home}/proc`;
}

const V2 = ["/", "fs", "cgroup2 cgroup2 rw,nsdelegate"] as const;
const CPU = ["/", "fs/cpu,cpuacct", "cgroup cgroup rw,cpu,cpuacct"] as const;

const cases: readonly (readonly [what: string, machine: Machine, limits: ReturnType<typeof groupLimits>])[] = [
  ["no control groups", { groups: [], mounts: [], files: {} }, { processors: NONE, memory: NONE, threads: NONE }],
  [
    "version 2 without a limit",
    {
      groups: ["0::/user.slice"],
      mounts: [V2],
      files: {
        "fs/user.slice/cpu.max": "max 100000",
        "fs/user.slice/memory.max": "max",
        "fs/user.slice/pids.max": "max",
      },
    },
    { processors: NONE, memory: NONE, threads: NONE },
  ],
  [
    "a container of version 2, whose group is the root",
    {
      groups: ["0::/"],
      mounts: [V2],
      files: { "fs/cpu.max": "50000 100000", "fs/memory.max": "268435456", "fs/pids.max": "32" },
    },
    { processors: 0.5, memory: 2 ** 28, threads: 32 },
  ],
  [
    "version 2, nested: the least of the way up",
    {
      groups: ["0::/a/b/c"],
      mounts: [V2],
      files: {
        "fs/a/cpu.max": "150000 50000",
        "fs/a/b/cpu.max": "max 100000",
        "fs/a/b/c/cpu.max": "400000 100000",
        "fs/a/memory.max": "max",
        "fs/a/b/memory.max": "1000000",
        "fs/a/b/c/memory.max": "2000000",
        "fs/a/pids.max": "100",
        "fs/a/b/c/pids.max": "200",
        "fs/b/cpu.max": "1 100000", // of another group
      },
    },
    { processors: 3, memory: 1_000_000, threads: 100 },
  ],
  [
    "version 1: a hierarchy for each controller",
    {
      groups: ["12:pids:/p", "5:memory:/m/n", "4:cpu,cpuacct:/c"],
      mounts: [CPU, ["/", "fs/memory", "cgroup cgroup rw,memory"], ["/", "fs/pids", "cgroup cgroup rw,pids"]],
      files: {
        "fs/cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "fs/cpu,cpuacct/c/cpu.cfs_quota_us": "25000",
        "fs/cpu,cpuacct/c/cpu.cfs_period_us": "20000",
        "fs/memory/memory.limit_in_bytes": "9223372036854771712",
        "fs/memory/m/memory.limit_in_bytes": "3000000",
        "fs/memory/m/n/memory.limit_in_bytes": "4000000",
        "fs/pids/p/pids.max": "max",
      },
    },
    { processors: 1.25, memory: 3_000_000, threads: NONE },
  ],
  [
    "a container of version 1, which sees its own group where the paths are the host's",
    {
      groups: ["4:cpu,cpuacct:/docker/1f2e"],
      mounts: [["/docker/1f2e", "fs/cpu", "cgroup cgroup rw,cpu,cpuacct"]],
      files: { "fs/cpu/cpu.cfs_quota_us": "200000", "fs/cpu/cpu.cfs_period_us": "100000" },
    },
    { processors: 2, memory: NONE, threads: NONE },
  ],
  [
    "a group inside of a container's",
    {
      groups: ["4:cpu:/docker/1f2e/inner"],
      mounts: [["/docker/1f2e", "fs/cpu", "cgroup cgroup rw,cpu"]],
      files: { "fs/cpu/cpu.cfs_quota_us": "200000", "fs/cpu/inner/cpu.cfs_quota_us": "100000" },
    },
    { processors: 1, memory: NONE, threads: NONE },
  ],
  [
    "a container whose mount is that of another name space",
    {
      groups: ["0::/../../system.slice/x", "4:cpu:/elsewhere"],
      mounts: [V2, ["/docker/1f2e", "fs/cpu", "cgroup cgroup rw,cpu"]],
      files: { "fs/memory.max": "5000", "fs/cpu/cpu.cfs_quota_us": "300000" },
    },
    { processors: 3, memory: 5000, threads: NONE },
  ],
  [
    "both versions at once",
    {
      groups: ["8:pids:/", "1:cpu:/", "0::/x"],
      mounts: [
        ["/", "fs/cpu", "cgroup cgroup rw,cpu"],
        ["/", "fs/unified", "cgroup2 cgroup2 rw"],
      ],
      files: { "fs/cpu/cpu.cfs_quota_us": "-1", "fs/unified/x/memory.max": "7000" },
    },
    { processors: NONE, memory: 7000, threads: NONE },
  ],
  [
    "files of nonsense",
    {
      groups: ["nonsense", "0::/", "::"],
      mounts: [V2],
      files: { "fs/cpu.max": "", "fs/memory.max": "much", "fs/pids.max": "-" },
    },
    { processors: NONE, memory: NONE, threads: NONE },
  ],
];

for (const [what, described, limits] of cases) {
  test(what, () => assert.deepEqual(groupLimits(machine(described)), limits));
}

test("processors are those of the affinity, but no more than the quota has time for; memory the group's", () => {
  const withQuota = (quota: number) =>
    machine({ groups: ["0::/"], mounts: [V2], files: { "fs/cpu.max": `${quota} 100000`, "fs/memory.max": "4096" } });
  const all = availableParallelism();
  assert.equal(usableProcessors(withQuota(1000)), 1);
  assert.equal(usableProcessors(withQuota(50_000)), 1);
  assert.equal(usableProcessors(withQuota(120_000)), 1);
  assert.equal(usableProcessors(withQuota(180_000)), Math.min(2, all));
  assert.equal(usableProcessors(withQuota(200_000)), Math.min(2, all));
  assert.equal(usableProcessors(withQuota(100_000_000)), all);
  assert.equal(usableProcessors(at("nothing")), all);
  assert.equal(usableMemory(withQuota(1)), 4096);
  assert.equal(usableMemory(at("nothing")), totalmem());
});
