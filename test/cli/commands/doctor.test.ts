import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { examine, type Findings, type Problem } from "../../../src/cli/commands/doctor.js";
import { FAST_ENGINE_GAIN } from "../../../src/engine/engine-here.js";
import { type Engine, findBlas } from "../../../src/tensor/engine.js";
import { repositoryRoot } from "../../support/oracle.js";
import { describeEnvironment } from "../../../src/run/environment.js";

const root = repositoryRoot;
let scratch = "";
before(() => {
  scratch = mkdtempSync(join(tmpdir(), "knack-doctor-"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Without what oneDNN says of an emulated ARM processor, of which /sys has nothing. */
const ownWords = (stderr: string) => stderr.replace(/^\.\/src\/cpu\/aarch64\/.*\n/gm, "");

/** Runs `knack doctor` of the package in a folder. */
function doctor(folder: string, args: string[] = [], environment: Record<string, string> = {}) {
  const script = `
    const { doctorCommand } = await import(${JSON.stringify(join(folder, "dist/src/cli/commands/doctor.js"))});
    await doctorCommand().parseAsync(${JSON.stringify(args)}, { from: "user" });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });
  assert.equal(ownWords(stderr), "");
  return { status, stdout };
}

/** A copy of the compiled package, without its addon. */
function copyWithoutAddon(): string {
  const copy = mkdtempSync(join(scratch, "copy-"));
  cpSync(join(root, "dist/src"), join(copy, "dist/src"), { recursive: true });
  cpSync(join(root, "package.json"), join(copy, "package.json"));
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

test("--json: the facts of the environment, the data sets and the problems", () => {
  const { status, stdout } = doctor(root, ["--json"]);
  const { dataSets, problems, networks, busyElsewhere, ...facts } = JSON.parse(stdout);
  assert.equal(status, 0);
  assert.match(networks.name, /^(fast|plain)$/);
  assert.ok(busyElsewhere >= 0 && busyElsewhere <= facts.cpu.cores + 0.5);
  assert.deepEqual(Object.keys(facts).sort(), Object.keys(describeEnvironment()).sort());
  assert.match(facts.libtorch.version, /^\d+\.\d+/);
  assert.equal(facts.devices[0], "cpu");
  assert(facts.threads >= 1 && facts.cpu.cores >= 1 && facts.memory > 2 ** 28);
  assert.equal(dataSets[0].name, "fashion-mnist");
  for (const { what, todo, essential } of problems)
    assert.deepEqual([typeof what, typeof todo, essential], ["string", "string", false]);
});

test("the report fits 80 columns and has a line for each fact", () => {
  const { status, stdout } = doctor(root);
  assert.equal(status, 0);
  for (const name of ["libtorch", "devices", "threads", "BLAS", "oneDNN", "instructions", "fashion-mnist"]) {
    assert.match(stdout, new RegExp(`^  (ok|note|missing) +${name} `, "m"));
  }
  const words = stdout.split("\n").filter((line) => !line.includes("/"));
  assert.deepEqual(
    words.filter((line) => line.length > 80),
    [],
  );
  assert.match(stdout, /^Training can run: /m);
});

test("the environment is described quickly, names no home, and is plain JSON", () => {
  describeEnvironment();
  const started = performance.now();
  const environment = describeEnvironment();
  assert(performance.now() - started < 500);
  assert.doesNotMatch(JSON.stringify(environment), /\/(home|Users)\//);
  assert.deepEqual(JSON.parse(JSON.stringify(environment)), environment);
});

test("a data set that is missing: what to type, and training can run all the same", () => {
  const { status, stdout } = doctor(root, ["--json"], { KNACK_FASHION_MNIST: "/nonexistent" });
  const problem = JSON.parse(stdout).problems.find(({ what }: Problem) => what.includes("fashion-mnist"));
  assert.equal(status, 0);
  assert.equal(problem.what, "fashion-mnist is not in /nonexistent");
  assert.match(problem.todo, /KNACK_FASHION_MNIST/);
});

test("a data set that is damaged: the reader's own words", () => {
  const folder = mkdtempSync(join(scratch, "damaged-"));
  writeFileSync(join(folder, "train-images-idx3-ubyte"), "no images");
  const { status, stdout } = doctor(root, [], { KNACK_FASHION_MNIST: folder });
  assert.equal(status, 0);
  assert.match(stdout, /missing fashion-mnist /);
  assert.match(stdout, /train-labels-idx1-ubyte/);
});

test("an addon that is missing or does not load: the loader's words, what to type, exit code 1", () => {
  const copy = copyWithoutAddon();
  const { status, stdout } = doctor(copy);
  assert.equal(status, 1);
  assert.match(stdout, /missing libtorch/);
  assert.match(stdout, /npm run setup/);
  assert.match(stdout, /Training cannot run without libtorch/);

  mkdirSync(join(copy, "build"));
  writeFileSync(join(copy, "build/knack.node"), "not a library");
  const damaged = doctor(copy, ["--json"]);
  const { problems, ...facts } = JSON.parse(damaged.stdout);
  assert.equal(damaged.status, 1);
  assert.equal(problems[0].essential, true);
  assert.match(problems[0].what, /knack\.node/);
  assert.equal(facts.libtorch, undefined);
  assert.equal(typeof facts.cpu.model, "string");
});

test("which BLAS: who provides libblas.so.3 comes before an OpenBLAS that others loaded", () => {
  const lib = "/usr/lib/x86_64-linux-gnu";
  const openBlas = `${lib}/openblas-pthread/libopenblasp-r0.3.21.so`;
  const blas = (configuration: string, ...libraries: string[]) => findBlas(configuration, libraries).name;
  assert.equal(blas("BLAS_INFO=generic", openBlas, `${lib}/blas/libblas.so.3.11.0`), "reference BLAS");
  assert.equal(blas("BLAS_INFO=generic", openBlas, `${lib}/openblas-pthread/libblas.so.3`), "OpenBLAS");
  assert.equal(blas("BLAS_INFO=generic", `${lib}/blis-openmp/libblas.so.4`), "BLIS");
  assert.equal(blas("BLAS_INFO=generic"), "unknown");
  assert.equal(blas("BLAS_INFO=accelerate"), "Accelerate");
  assert.deepEqual(findBlas("BLAS_INFO=mkl, USE_CUDA=ON", []), { name: "MKL", library: null });
  assert.equal(
    findBlas("BLAS_INFO=open", ["/home/ann/torch/lib/libopenblas.so.0"]).library,
    "~/torch/lib/libopenblas.so.0",
  );
});

const engine: Engine = {
  libtorch: { version: "2.7.0", from: "python", root: "~/venv/torch", cpuCapability: "AVX512" },
  devices: ["cpu"],
  threads: 8,
  blas: { name: "MKL", library: null, openBlasCoreType: null },
  oneDnn: { available: true, version: "3.7.1" },
};

/** What is wrong with a sound machine after these changes. */
function problemsOf(changes: Partial<Engine>, machine: Partial<Findings> = {}): string[] {
  const findings: Findings = {
    knack: "0.1.0",
    node: "20.20.0",
    platform: "linux-x64",
    os: "Debian GNU/Linux 12 (bookworm)",
    cpu: { model: "a processor", cores: 8, instructionSets: ["avx2", "fma", "avx512f", "avx512_bf16"] },
    memory: 2 ** 34,
    nvidiaGpu: false,
    engine: { ...engine, ...changes },
    networks: { name: "fast", oneDnn: "3.7.2", fault: null, remedy: null },
    bf16: true,
    dataSets: [],
    busyElsewhere: 0.1,
    ...machine,
  };
  return examine(findings).flatMap(({ problem }) => (problem ? `${problem.what} -> ${problem.todo}` : []));
}

/** One problem, which matches. */
function matches(problems: string[], pattern: RegExp): void {
  assert.equal(problems.length, 1);
  assert.match(problems.join(), pattern);
}

test("what is slow is named, each with one remedy", () => {
  assert.deepEqual(problemsOf({}), []);
  matches(problemsOf({ threads: 1 }), /1 of 8 cores.*taskset/);
  matches(problemsOf({}, { busyElsewhere: 1.26 }), /other programs keep 1\.3 of 8 cores busy.*top/);
  // They have cores of their own.
  assert.deepEqual(problemsOf({ threads: 4 }, { busyElsewhere: 3.9 }), []);
  const reference = {
    name: "reference BLAS",
    library: "/usr/lib/aarch64-linux-gnu/blas/libblas.so.3",
    openBlasCoreType: null,
  };
  matches(problemsOf({ blas: reference }), /libopenblas0-pthread.*libblas\.so\.3-aarch64-linux-gnu/);
  matches(
    problemsOf({ blas: { ...reference, name: "OpenBLAS", openBlasCoreType: "Haswell" } }),
    /unset OPENBLAS_CORETYPE/,
  );
  assert.deepEqual(problemsOf({ blas: { ...reference, name: "OpenBLAS", openBlasCoreType: "SkylakeX" } }), []);
  matches(problemsOf({ oneDnn: { available: false, version: null } }), /oneDNN.*KNACK_LIBTORCH/);
  matches(problemsOf({}, { nvidiaGpu: true }), /GPU.*nvidia-smi/);
  const older = { model: "a processor", cores: 8, instructionSets: ["avx2", "fma"] };
  matches(problemsOf({}, { cpu: older }), /bf16.*--precision fp32/);
  const fault = "it was not built, since it needs oneDNN 2 or 3 and here is 4.0";
  const plain = { name: "plain", oneDnn: null, fault, remedy: "npm run setup -- --from pip" } as const;
  matches(
    problemsOf({}, { networks: plain }),
    /here is 4\.0.*times as fast.*docs\/performance\.md.*-> `npm run setup -- --from pip`/,
  );
  assert.deepEqual(problemsOf({}, { networks: { ...plain, remedy: null } }), []);
  assert.deepEqual(
    problemsOf({ devices: ["cpu", "cuda:0"], blas: reference }, { cpu: older, nvidiaGpu: true, networks: plain }),
    [],
  );
});

/** Runs `knack` of the package in a folder. */
function knack(folder: string, args: string[], environment: Record<string, string> = {}) {
  const script = `
    const { main } = await import(${JSON.stringify(join(folder, "dist/src/cli/main.js"))});
    await main(["node", "knack", ...${JSON.stringify(args)}]);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });
  return { status, stdout, stderr: ownWords(stderr) };
}
const TINY = ["bench", "resnet20", "--option", "width=4", "--batch-size", "2", "--steps", "1"];

test("bf16: it trains on a processor that has none, and doctor says how", () => {
  const lesser: Record<string, string> = { DNNL_MAX_CPU_ISA: "AVX2", ONEDNN_MAX_CPU_ISA: "AVX2" };
  const { status, stderr } = knack(root, [...TINY, "--engine", "auto", "--precision", "bf16"], lesser);
  assert.deepEqual([status, stderr], [0, ""]);
  const { problems, oneDnn } = JSON.parse(doctor(root, ["--json"], lesser).stdout);
  // oneDNN 3 has bf16 there too.
  if (Number.parseInt(oneDnn.version, 10) > 2) return;
  assert.ok(problems.some(({ what }: Problem) => /no bf16 for this processor: .* in fp32 and rounded/.test(what)));
});

test("what the fast engine is said to give is what docs/performance.md has", () => {
  const rows = readFileSync(join(root, "docs/performance.md"), "utf8").matchAll(/^\| \w+, \d+ px, fp32 \|.*$/gm);
  const training = Array.from(rows, ([row]) => row.split("|")).filter((cells) => cells.length === 12);
  const gains = training.map((cells) => Number(cells[8]));
  assert.ok(gains.length > 10);
  const [least, most] = [Math.min(...gains), Math.max(...gains)];
  assert.ok(
    FAST_ENGINE_GAIN.includes(`${least.toFixed(1)} to ${most.toFixed(1)} times as fast`),
    `${least} to ${most}`,
  );
});

test("without the fast engine: bench has the rows that there are, and says why the others are missing", () => {
  const copy = copyWithoutAddon();
  mkdirSync(join(copy, "build"));
  const record = JSON.parse(readFileSync(join(root, "build/addon.json"), "utf8"));
  const withoutFastEngine = "it needs oneDNN 2 or 3 and here is 9.9";
  writeFileSync(join(copy, "build/addon.json"), JSON.stringify({ ...record, withoutFastEngine }));
  for (const name of ["knack.node", "pixels.node"]) cpSync(join(root, "build", name), join(copy, "build", name));

  const all = knack(copy, [...TINY, "--precision", "fp32"]);
  assert.equal(all.status, 0, all.stderr);
  assert.match(all.stdout, /^ {2}plain {2}fp32 .* images\/s/m);
  assert.match(all.stdout, /^ {2}fast {3}fp32 {2}not to be had: .*here is 9\.9/m);
  const named = knack(copy, [...TINY, "--precision", "fp32", "--engine", "fast"]);
  assert.equal(named.status, 2);
  assert.match(named.stderr, /here is 9\.9/);
  assert.match(doctor(copy).stdout, /^ {2}(note|ok) +engine +plain/m);
});
