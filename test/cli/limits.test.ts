/** Commands under limits of threads, files and processor time: each does its work or names the limit, and blames no picture. */
import assert from "node:assert/strict";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { ControlGroup, quota, threads } from "../support/control-group.js";
import { repositoryRoot } from "../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-limits-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const at = (...path: string[]) => join(scratch, ...path);
const knack = [process.execPath, join(repositoryRoot, "bin/knack.js")];
const { OMP_NUM_THREADS: _, ...env } = process.env;

const NAMED = /no more threads can be started: .*(ulimit -u|pids\.max)/;
/** Another user than root, whom `ulimit -u` binds. */
const USER = "54321";

before(async () => {
  // Readable for that user.
  chmodSync(scratch, 0o755);
  mkdirSync(at("user"));
  chmodSync(at("user"), 0o777);
  for (const split of ["train", "val"]) {
    for (const [label, name] of ["dark", "bright"].entries()) {
      mkdirSync(at("photos", split, name), { recursive: true });
      const noise = { type: "gaussian", mean: 60 + 100 * label, sigma: 30 } as const;
      const background = "black";
      for (let i = 0; i < 24; i++) {
        const picture = sharp({ create: { width: 40 + i, height: 40, channels: 3, background, noise } });
        writeFileSync(at("photos", split, name, `${i}.jpg`), await picture.jpeg().toBuffer());
      }
    }
  }
});

let runs = 0;
function training(out = at("user", `run-${runs++}`)): string[] {
  const recipe = "--model resnet20 --epochs 1 --batch-size 8 --workers 2 --engine plain".split(" ");
  return [...knack, "train", at("photos"), ...recipe, "--out", out];
}

/** One that did its work, or one line that names the limit. @returns whether it did its work */
function assertDoneOrNamed({ status, signal, stderr }: SpawnSyncReturns<string>, where: string): boolean {
  assert.equal(signal, null, `${where} hangs: ${stderr}`);
  assert.doesNotMatch(stderr, /cut off|broken|cannot be read|\n {4}at /, where);
  if (status === 0) {
    assert.match(stderr, /^(knack: .*no more threads.*\n)?$/, where); // a report may be missing
    return true;
  }
  assert.deepEqual([status, stderr.split("\n").length], [1, 2], `${where}: ${stderr}`);
  assert.match(stderr, NAMED, where);
  return false;
}

describe("threads", () => {
  test("under every limit of a control group training ends, or says what is missing", (t) => {
    const first = ControlGroup.make(threads(100));
    if (typeof first === "string") return t.skip(first);
    first[Symbol.dispose]();
    const least = threadsOfNode();
    const done: boolean[] = [];
    for (const more of [1, 3, 6, 12, 28]) {
      const made = ControlGroup.make(threads(least + more));
      assert.ok(typeof made !== "string", String(made));
      using group = made;
      done.push(assertDoneOrNamed(group.run(training(), env), `${least} + ${more} threads`));
    }
    assert.equal(done[0], false);
  });

  test("the other commands too", (t) => {
    const group = ControlGroup.make(threads(threadsOfNode() + 2));
    if (typeof group === "string") return t.skip(group);
    using _group = group;
    const model = at("user", "model");
    assert.equal(spawnSync(knack[0] as string, [...knack.slice(1), ...training(model).slice(2)], { env }).status, 0);
    for (const command of [
      ["eval", model, at("photos")],
      ["predict", model, at("photos/val")],
      ["data", "check", at("photos")],
      ["doctor"],
    ]) {
      assertDoneOrNamed(group.run([...knack, ...command], env), command.join(" "));
    }
  });

  test("under ulimit -u", (t) => {
    const as = ["--reuid", USER, "--regid", USER, "--clear-groups"];
    const probe = spawnSync("setpriv", [...as, "--", ...knack, "--version"], { encoding: "utf8" });
    if (probe.status !== 0)
      return t.skip(`another user cannot run knack here: ${probe.stderr || probe.error?.message}`);
    for (const most of [2, 5, 11].map((more) => threadsOfNode() + more)) {
      const command = [...as, "--", "prlimit", `--nproc=${most}`, ...training()];
      const run = spawnSync("setpriv", command, { encoding: "utf8", env, timeout: 300_000, killSignal: "SIGKILL" });
      assertDoneOrNamed(run, `ulimit -u ${most}`);
    }
  });

  test("under ulimit -v", () => {
    for (const kilobytes of [3_500_000, 5_000_000]) {
      const script = `ulimit -v ${kilobytes} && exec "$@"`;
      const command = ["-c", script, "sh", ...training(at(`addresses-${kilobytes}`))];
      const run = spawnSync("sh", command, { encoding: "utf8", env, timeout: 300_000, killSignal: "SIGKILL" });
      assertDoneOrNamed(run, `ulimit -v ${kilobytes}`);
    }
  });

  /** What Node itself takes when knack has started it: with less it does not start. */
  function threadsOfNode(): number {
    const script =
      'console.log(require("fs").readFileSync("/proc/self/status", "utf8").match(/Threads:\\s+(\\d+)/)[1])';
    const pool = Math.max(4, availableParallelism() + 1, 3);
    const options = { encoding: "utf8", env: { ...env, UV_THREADPOOL_SIZE: `${pool}` } } as const;
    return Number(
      spawnSync(process.execPath, ["-e", `require("fs").readFile("/dev/null", () => ${script})`], options).stdout,
    );
  }
});

describe("open files", () => {
  const limited = (most: number, command: readonly string[]) =>
    spawnSync("sh", ["-c", 'ulimit -n "$1" && shift && exec "$@"', "sh", `${most}`, ...command], {
      encoding: "utf8",
      env,
    });

  test("256 suffice for a training with eight loader threads, and its report", () => {
    const { status, stdout, stderr } = limited(256, [...training(at("files")), "--workers", "8"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /report: /);
    assert.ok(readdirSync(at("files")).includes("curves.svg"));
  });

  test("with fewer the limit is named", () => {
    // With still fewer some versions of Node do not come as far as knack.
    for (const most of [40, 64, 100, 127]) {
      const { status, stderr } = limited(most, training());
      assert.deepEqual(
        [status, stderr],
        [1, `knack: too few files may be open: ulimit -n is ${most}; raise it to 256\n`],
      );
    }
  });
});

describe("processors", () => {
  const doctor = (variables: NodeJS.ProcessEnv, prefix: readonly string[] = []) => {
    const [program = "", ...args] = [...prefix, ...knack, "doctor", "--json"];
    const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8", env: { ...env, ...variables } });
    return { threads: JSON.parse(stdout).threads as number, stderr };
  };
  const all = availableParallelism();

  test("a quota of half a processor is one thread", (t) => {
    const group = ControlGroup.make(quota(0.5));
    if (typeof group === "string") return t.skip(group);
    using _group = group;
    const { stdout, stderr } = group.run([...knack, "doctor", "--json"], env);
    assert.equal(JSON.parse(stdout).threads, 1, stderr);
  });

  test("a quota in a group above counts", (t) => {
    const group = ControlGroup.make(quota(0.5));
    if (typeof group === "string") return t.skip(group);
    using _group = group;
    const inner = `${group.folder}/inner`;
    mkdirSync(inner);
    const enter = 'mkdir -p "$1" && echo $$ > "$1/cgroup.procs" && shift && exec "$@"';
    const { stdout, stderr } = spawnSync("sh", ["-c", enter, "sh", inner, ...knack, "doctor", "--json"], {
      encoding: "utf8",
      env,
    });
    spawnSync("sh", ["-c", 'for i in 1 2 3 4 5; do rmdir "$1" && break; sleep 0.2; done', "sh", inner]);
    assert.equal(JSON.parse(stdout).threads, 1, stderr);
  });

  test("OMP_NUM_THREADS that cannot be meant: one line, and all cores", () => {
    assert.deepEqual(doctor({ OMP_NUM_THREADS: "abc" }), {
      threads: all,
      stderr: `knack: warning: OMP_NUM_THREADS: must be a whole number above 0, not "abc": all ${all} cores are used\n`,
    });
    const { threads, stderr } = doctor({ OMP_NUM_THREADS: "1000" });
    assert.equal(threads, all);
    assert.match(stderr, /^knack: warning: OMP_NUM_THREADS=1000: .*\n$/);
    assert.deepEqual(doctor({ OMP_NUM_THREADS: " 1 , 4" }), { threads: 1, stderr: "" });
  });

  test("the affinity counts", (t) => {
    if (spawnSync("taskset", ["-c", "0", "true"]).status !== 0) return t.skip("there is no taskset");
    assert.equal(doctor({}, ["taskset", "-c", "0"]).threads, 1);
  });
});

test("Node's pool is as large as the loader threads, unless its size was chosen", () => {
  writeFileSync(
    at("count.cjs"),
    'process.on("exit", () => console.log(require("fs").readFileSync("/proc/self/status", "utf8").match(/Threads:\\s+(\\d+)/)[1]))',
  );
  const count = (args: readonly string[], variables: NodeJS.ProcessEnv = {}) => {
    const options = { encoding: "utf8", env: { ...env, ...variables } } as const;
    const command = ["--require", at("count.cjs"), knack[1] as string, "train", at("nothing"), ...args];
    return Number(spawnSync(process.execPath, command, options).stdout);
  };
  const chosen = count([], { UV_THREADPOOL_SIZE: "2" });
  const cores = availableParallelism();
  assert.equal(count([]) - chosen, Math.max(4, cores + 1) - 2);
  for (const workers of [["--workers", "40"], ["--workers=40"]]) {
    assert.equal(count(workers) - chosen, Math.max(41, cores + 1) - 2);
    assert.equal(count(workers, { UV_THREADPOOL_SIZE: "2" }), chosen);
  }
});

test("HOME and XDG_CACHE_HOME that are empty or no full paths leave the current folder alone", () => {
  for (const [i, variables] of [{ HOME: "" }, { XDG_CACHE_HOME: "cache" }].entries()) {
    const here = at(`here-${i}`);
    mkdirSync(here);
    const command = training(at("user", `home-${i}`)).map((word) => (word === "plain" ? "auto" : word));
    const options = { encoding: "utf8", cwd: here, env: { ...env, HOME: at("user"), ...variables } } as const;
    const { status, stderr } = spawnSync(command[0] as string, command.slice(1), options);
    assert.deepEqual([status, stderr, readdirSync(here)], [0, "", []]);
  }
});

test("a cache that cannot be written says why", (t) => {
  const command = [...training(), "--cache", at("mount", "cache")];
  const script = 'mkdir -p "$1" && mount -t tmpfs -o ro tmpfs "$1" && shift && exec "$@"';
  const { status, stderr } = spawnSync("unshare", ["-m", "sh", "-c", script, "sh", at("mount"), ...command], {
    encoding: "utf8",
    env,
  });
  if (!stderr.startsWith("knack")) return t.skip(`nothing can be mounted here: ${stderr}`);
  assert.equal(status, 1);
  assert.match(stderr, /^knack: cannot write the packed pictures in .*: read-only file system\n$/);
});
