// Compiles src/native into build/knack.node against the libtorch that was found.
// By hand: node scripts/build-addon.mjs [--force]
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeLibtorch, findLibtorch } from "./find-libtorch.mjs";
import { filesUnder, root, stampOf, writeWhole } from "./stamp.mjs";

const require = createRequire(import.meta.url);
const PIXELS = "src/native/pixels/pixels.cc";
const TORCH = "src/native/torch";
const CPU = "src/native/cpu";
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

/** What an addon with libtorch is compiled and linked with. @param {import("./find-libtorch.mjs").Libtorch} libtorch */
export function flagsFor(libtorch) {
  // -isystem keeps libtorch's own warnings quiet; /usr/include is searched anyway and must not move to another place in the order.
  const includes = libtorch.includeDirs.filter((dir) => dir !== "/usr/include").flatMap((dir) => ["-isystem", dir]);
  const compile = [
    `-std=c++${libtorch.cxxStandard}`,
    ...["-O2", "-fPIC", "-Wall", "-DNDEBUG", "-DNAPI_VERSION=8", "-DNAPI_CPP_EXCEPTIONS"],
    ...(mac ? [] : [`-D_GLIBCXX_USE_CXX11_ABI=${libtorch.cxx11Abi ? 1 : 0}`]),
    ...["-isystem", require("node-api-headers").include_dir],
    ...["-isystem", dirname(require.resolve("node-addon-api/package.json"))],
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

/** Loops over floats may be put in any order that vectors want, and nothing traps. A loop over 8 channels stays one, to become one vector. */
const cpuFlags = [
  ...["-O3", "-mprefer-vector-width=512", "--param", "max-completely-peel-times=4"],
  ...["-fopenmp", "-fno-math-errno", "-fno-trapping-math"],
];

/** Whether the compiler finds the oneDNN that the fast engine is written for: version 2, with OpenMP, on an x86 processor. */
function hasOneDnn() {
  if (process.arch !== "x64" || mac) return false;
  const [program = "", ...first] = compilerCommand();
  const test =
    "#include <oneapi/dnnl/dnnl.hpp>\n#if DNNL_VERSION_MAJOR != 2 || DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP\n#error\n#endif";
  const args = [...first, "-std=c++17", "-fsyntax-only", "-x", "c++", "-"];
  return spawnSync(program, args, { input: test, stdio: ["pipe", "ignore", "ignore"] }).status === 0;
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
 * Builds the addon unless it is up to date.
 * @param {{ force?: boolean }} [options]
 * @throws {Error} for people: no libtorch, no compiler, or the compiler's first errors
 */
export async function buildAddon({ force = false } = {}) {
  const { libtorch, tried } = findLibtorch();
  if (!libtorch)
    throw new Error(`no libtorch found (${tried.join("; ")}): run \`npm run setup\`, or set KNACK_LIBTORCH`);
  // The loops over pictures' bytes and the fast engine are addons of their own, without libtorch.
  const sources = filesUnder(TORCH, ".cc");
  const cpuSources = hasOneDnn() ? filesUnder(CPU, ".cc") : [];
  if (sources.length === 0) throw new Error(`${TORCH} holds no .cc file`);
  const [program = "", ...first] = compilerCommand();
  const version = spawnSync(program, [...first, "--version"], { encoding: "utf8" });
  if (version.status !== 0) {
    throw new Error(`the C++ compiler "${compilerCommand().join(" ")}" does not run: install g++, or set CXX`);
  }

  const flags = flagsFor(libtorch);
  const { size, mtimeMs } = statSync(join(libtorch.libDir, mac ? "libtorch_cpu.dylib" : "libtorch_cpu.so"));
  const { detail: _, ...identity } = libtorch;
  const stamp = stampOf(filesUnder("src/native", ".cc", ".h"), [
    ...[identity, size, mtimeMs, flags, cpuFlags, version.stdout, cpuSources.length],
  ]);
  const record = join(root, "build/addon.json");
  const addon = join(root, "build/knack.node");
  const built = [addon, join(root, "build/pixels.node"), record].every((file) => existsSync(file));
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
      const more = source.startsWith(CPU) ? cpuFlags : [];
      await run(`compiling ${source}`, [...flags.compile, ...more, "-c", source, "-o", objectOf(source)]);
    }
  });
  await Promise.all(lanes);
  await run("linking the addon", ["-o", "build/knack.node.new", ...sources.map(objectOf), ...flags.link]);
  const shared = mac ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
  const cpu = join(root, "build/cpu.node");
  if (cpuSources.length > 0) {
    const objects = cpuSources.map(objectOf);
    await run("linking the fast engine", ["-shared", "-fopenmp", "-o", "build/cpu.node.new", ...objects, "-ldnnl"]);
    renameSync(`${cpu}.new`, cpu);
  } else {
    rmSync(cpu, { force: true });
    console.log("fast engine: not built, it needs oneDNN 2's headers (Debian's libdnnl-dev)");
  }
  await run(`compiling ${PIXELS}`, [...flags.compile, "-O3", ...shared, PIXELS, "-o", "build/pixels.node.new"]);
  renameSync(join(root, "build/pixels.node.new"), join(root, "build/pixels.node"));
  renameSync(`${addon}.new`, addon);
  writeWhole("build/addon.json", `${JSON.stringify({ libtorch, built: new Date().toISOString(), stamp }, null, 2)}\n`);
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
