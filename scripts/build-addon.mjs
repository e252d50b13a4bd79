// Compiles src/native into build/knack.node against the libtorch that was found.
// By hand: node scripts/build-addon.mjs [--force]
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeLibtorch, findLibtorch } from "./find-libtorch.mjs";
import { whyNoGloo } from "./find-gloo.mjs";
import { findOneDnn } from "./find-onednn.mjs";
import { filesUnder, root, stampOf, writeWhole } from "./stamp.mjs";

const require = createRequire(import.meta.url);
/** Addons of one file each, without libtorch: loops over pictures' bytes, and what Node does not know of its process. */
const PLAIN = ["pixels", "process"];
const TORCH = "src/native/torch";
const CPU = "src/native/cpu";
const DIST = "src/native/group";
const mac = process.platform === "darwin";

/** The C++ compiler's command, split at blanks as make does ("ccache g++"). */
const compilerCommand = () => (process.env.CXX || (mac ? "c++" : "g++")).trim().split(/\s+/);

/** Runs it in the package's folder. @returns {Promise<{ ok: boolean, output: string }>} */
export function compiler(/** @type {string[]} */ args) {
  const [program = "", ...first] = compilerCommand();
  return new Promise((done) => {
    execFile(program, [...first, ...args], { cwd: root, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      done({ ok: !error, output: stderr || stdout || (error?.message ?? "") }),
    );
  });
}

/** What every addon is compiled with. */
const addonFlags = () => [
  ...["-O2", "-fPIC", "-Wall", "-DNDEBUG", "-DNAPI_VERSION=8", "-DNAPI_CPP_EXCEPTIONS"],
  ...["-isystem", require("node-api-headers").include_dir],
  ...["-isystem", dirname(require.resolve("node-addon-api/package.json"))],
];

/** What an addon with libtorch is compiled and linked with. @param {import("./find-libtorch.mjs").Libtorch} libtorch */
export function flagsFor(libtorch) {
  // -isystem keeps libtorch's own warnings quiet; /usr/include is searched anyway and must not move to another place in the order.
  const includes = libtorch.includeDirs.filter((dir) => dir !== "/usr/include").flatMap((dir) => ["-isystem", dir]);
  const compile = [
    `-std=c++${libtorch.cxxStandard}`,
    ...addonFlags(),
    ...(mac ? [] : [`-D_GLIBCXX_USE_CXX11_ABI=${libtorch.cxx11Abi ? 1 : 0}`]),
    ...includes,
  ];
  const link = [
    // Nothing names a symbol of torch_cuda, yet it must be loaded to register its kernels.
    ...(mac ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared", "-Wl,--no-as-needed"]),
    `-L${libtorch.libDir}`,
    `-Wl,-rpath,${libtorch.libDir}`,
    ...libtorch.libraries.map((name) => `-l${name}`),
  ];
  return { compile, link };
}

/** What the addon for training by several processes is compiled and linked with, as above. */
function distFlagsFor(/** @type {import("./find-libtorch.mjs").Libtorch} */ libtorch) {
  const { compile, link } = flagsFor(libtorch);
  // Its threads outlive the JavaScript thread that loaded it, with which Node would take its code away.
  return { compile: [...compile, "-DUSE_C10D_GLOO"], link: [...link, "-lgloo", "-Wl,-z,nodelete"] };
}

/** Loops over floats may be put in any order that vectors want, and nothing traps. A loop over 8 channels stays one, to become one vector. */
const cpuFlags = [
  ...["-O3", "-mprefer-vector-width=512", "--param", "max-completely-peel-times=4"],
  ...["-fopenmp", "-fno-math-errno", "-fno-trapping-math"],
];

/**
 * What the fast engine is compiled and linked with: oneDNN's folders, and never libtorch's, where newer PyTorch has another oneDNN's headers.
 *
 * @param {import("./find-onednn.mjs").OneDnn} oneDnn
 */
export function cpuFlagsFor({ includeDir, libDir }) {
  const compile = ["-std=c++17", ...addonFlags(), ...cpuFlags, ...(includeDir ? ["-isystem", includeDir] : [])];
  const link = ["-shared", "-fopenmp", ...(libDir ? [`-L${libDir}`, `-Wl,-rpath,${libDir}`] : []), "-ldnnl"];
  return { compile, link };
}

/** @returns {import("./find-onednn.mjs").OneDnn | string} the oneDNN of the fast engine, or why that cannot be compiled here */
export function oneDnnHere() {
  if (process.arch !== "x64" || mac) return "it is written for x86 processors under Linux";
  return findOneDnn(compilerCommand());
}

/** The errors in a compiler's output: what people need to see first. */
function firstErrors(/** @type {string} */ output) {
  const lines = output.split("\n");
  const first = lines.findIndex((line) => /error|undefined reference|cannot find/i.test(line));
  return lines
    .slice(Math.max(first, 0), Math.max(first, 0) + 12)
    .join("\n")
    .trimEnd();
}

/**
 * Builds the addon for training by several processes. Everything else works without.
 *
 * @param {{ compile: string[], link: string[] }} flags
 * @param {(source: string) => string} objectOf
 * @returns {Promise<string | null>} why it cannot be; null where it was
 */
async function buildDist({ compile, link }, objectOf) {
  const sources = filesUnder(DIST, ".cc");
  const made = "build/dist.node.new";
  const steps = [
    ...sources.map((source) => [...compile, "-c", source, "-o", objectOf(source)]),
    ["-o", made, ...sources.map(objectOf), ...link],
  ];
  for (const args of steps) {
    const { ok, output } = await compiler(args);
    if (ok) continue;
    writeWhole("build/dist.log", output);
    return `it does not compile (build/dist.log): ${firstErrors(output).split("\n", 1)[0]}`;
  }
  renameSync(join(root, made), join(root, "build/dist.node"));
  return null;
}

/**
 * Builds the addon unless it is up to date.
 * @param {{ force?: boolean }} [options]
 * @throws {Error} for people: no libtorch, no compiler, or the compiler's first errors
 */
export async function buildAddon({ force = false } = {}) {
  const { libtorch, tried } = findLibtorch();
  if (!libtorch)
    throw new Error(`no libtorch found (${tried.join("; ")}): run \`npm run setup\`, or set KNACK_LIBTORCH`);
  // The fast engine is an addon of its own, without libtorch.
  const sources = filesUnder(TORCH, ".cc");
  const oneDnn = oneDnnHere();
  const cpuSources = typeof oneDnn === "string" ? [] : filesUnder(CPU, ".cc");
  if (sources.length === 0) throw new Error(`${TORCH} holds no .cc file`);
  const [program = "", ...first] = compilerCommand();
  const version = spawnSync(program, [...first, "--version"], { encoding: "utf8" });
  if (version.status !== 0) {
    throw new Error(`the C++ compiler "${compilerCommand().join(" ")}" does not run: install g++, or set CXX`);
  }

  const flags = flagsFor(libtorch);
  const ofDist = distFlagsFor(libtorch);
  const noGloo = whyNoGloo(compilerCommand(), ofDist.compile);
  const ofCpu = typeof oneDnn === "string" ? { compile: [], link: [] } : cpuFlagsFor(oneDnn);
  const { size, mtimeMs } = statSync(join(libtorch.libDir, mac ? "libtorch_cpu.dylib" : "libtorch_cpu.so"));
  const { detail: _, ...identity } = libtorch;
  const stamp = stampOf(filesUnder("src/native", ".cc", ".h"), [
    ...[identity, size, mtimeMs, flags, ofCpu, version.stdout, oneDnn, noGloo],
  ]);
  const record = join(root, "build/addon.json");
  const addon = join(root, "build/knack.node");
  const plain = PLAIN.map((name) => join(root, `build/${name}.node`));
  const built = [addon, ...plain, record].every((file) => existsSync(file));
  if (!force && built && JSON.parse(readFileSync(record, "utf8")).stamp === stamp) {
    console.log(`addon: up to date, libtorch ${describeLibtorch(libtorch)}`);
    return;
  }

  console.log(`addon: compiling against libtorch ${describeLibtorch(libtorch)} …`);
  const started = Date.now();
  mkdirSync(join(root, "build/obj"), { recursive: true });
  const objectOf = (/** @type {string} */ source) =>
    `build/obj/${source.slice("src/native/".length).replace(/\W/g, "-")}.o`;
  const run = async (/** @type {string} */ what, /** @type {string[]} */ args) => {
    const { ok, output } = await compiler(args);
    if (ok) return process.stderr.write(output);
    writeWhole("build/addon.log", output);
    throw new Error(
      `${what} failed against libtorch ${libtorch.version} with ${version.stdout.split("\n", 1)[0]}\n${firstErrors(output)}\n` +
        `all of it: build/addon.log. libtorch ${libtorch.version} needs a compiler with C++${libtorch.cxxStandard}; ` +
        "CXX names another compiler, KNACK_LIBTORCH another libtorch",
    );
  };

  // A file with libtorch's headers takes about 1 GB to compile: no more at once than there are cores.
  const waiting = [...sources, ...cpuSources];
  const lanes = Array.from({ length: Math.min(availableParallelism(), waiting.length) }, async () => {
    for (let source = waiting.shift(); source; source = waiting.shift()) {
      const { compile } = source.startsWith(CPU) ? ofCpu : flags;
      await run(`compiling ${source}`, [...compile, "-c", source, "-o", objectOf(source)]);
    }
  });
  await Promise.all(lanes);
  await run("linking the addon", ["-o", "build/knack.node.new", ...sources.map(objectOf), ...flags.link]);
  const shared = mac ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
  const cpu = join(root, "build/cpu.node");
  if (cpuSources.length > 0) {
    await run("linking the fast engine", ["-o", "build/cpu.node.new", ...cpuSources.map(objectOf), ...ofCpu.link]);
    renameSync(`${cpu}.new`, cpu);
  } else {
    rmSync(cpu, { force: true });
  }
  const withoutProcesses = noGloo ?? (await buildDist(ofDist, objectOf));
  if (withoutProcesses !== null) {
    rmSync(join(root, "build/dist.node"), { force: true });
    console.log(`addon: training by several processes is not built: ${withoutProcesses}`);
  }
  for (const name of PLAIN) {
    const [source, made] = [`src/native/${name}/${name}.cc`, `build/${name}.node.new`];
    await run(`compiling ${source}`, ["-std=c++17", ...addonFlags(), "-O3", ...shared, source, "-o", made]);
    renameSync(join(root, made), join(root, `build/${name}.node`));
  }
  renameSync(`${addon}.new`, addon);
  const withoutFastEngine = typeof oneDnn === "string" ? oneDnn : null;
  const facts = {
    libtorch,
    oneDnn: withoutFastEngine === null ? oneDnn : null,
    withoutFastEngine,
    withoutProcesses,
    built: new Date().toISOString(),
    stamp,
  };
  writeWhole("build/addon.json", `${JSON.stringify(facts, null, 2)}\n`);
  console.log(`addon: compiled in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await buildAddon({ force: process.argv.includes("--force") });
  } catch (error) {
    console.error(`addon: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
