// Makes a checkout ready: system packages, npm packages, the addon, the TypeScript, the command. Repeating it costs about a second.
// --test adds what the tests need: Debian's own PyTorch, which they compare with, a browser that opens reports, and a simulated GPU.
// --from pip takes libtorch from pip's index, without root and without Debian.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { buildAddon } from "./build-addon.mjs";
import { buildSimulatedGpu } from "./build-simulated-gpu.mjs";
import { findLibtorch, onPath } from "./find-libtorch.mjs";
import { installFromPip } from "./from-pip.mjs";
import { filesUnder, root, stampOf, writeWhole } from "./stamp.mjs";

/** Where Debian puts it, and the tests look for it. */
const CHROMIUM = "/usr/bin/chromium";
const forTests = process.argv.includes("--test");
const fromPip = wantsPip(process.argv.slice(2).filter((argument) => argument !== "--test"));
const say = (/** @type {string} */ line) => console.log(line);
/** Whether the arguments are `--from pip`; with any others than that or none, this ends. */
function wantsPip(/** @type {string[]} */ given) {
  if (given.length === 0) return false;
  if (given.join(" ").replace("=", " ") === "--from pip") return true;
  console.error(`setup: unknown: ${given.join(" ")}; it takes --test and --from pip`);
  process.exit(2);
}

/** The lines that name the trouble, at most eight: those with "error" or apt's "E:", or else the last ones. */
function trouble(/** @type {string} */ output) {
  const lines = output.split("\n").filter((line) => !/^(npm error)?\s*$/.test(line));
  const errors = lines.filter((line) => /error|^E:/i.test(line));
  return errors.length > 0 ? errors.slice(0, 8).join("\n") : lines.slice(-8).join("\n");
}
const isCurrent = (/** @type {string} */ file, /** @type {string} */ stamp) =>
  existsSync(join(root, file)) && readFileSync(join(root, file), "utf8") === stamp;

/** Runs a program of a step; its output is shown only when it fails. */
function run(/** @type {string} */ program, /** @type {string[]} */ args, environment = {}) {
  const ran = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  return { ok: ran.status === 0, output: `${ran.stdout ?? ""}${ran.stderr ?? ""}${ran.error?.message ?? ""}` };
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 10)) {
    throw new Error(`Node ${process.versions.node} is too old: knack needs Node 20.10 or later`);
  }
  say(`node: ${process.versions.node}`);
}

function isInstalled(/** @type {string} */ name) {
  return /^Status: .* installed$/m.test(run("dpkg-query", ["-s", name]).output);
}

/** Debian's libtorch calls whatever provides libblas.so.3; the reference one is many times slower than OpenBLAS. */
function hasFastBlas(/** @type {string} */ libDir) {
  const blas = join(libDir, "libblas.so.3");
  return existsSync(blas) && /openblas|blis|mkl/.test(realpathSync(blas));
}

/** Whether /usr/bin/python3, whose PyTorch the tests compare with, has these modules; looked up, as importing them takes seconds. */
function oracleHas(/** @type {string[]} */ ...modules) {
  const code = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))";
  return run("/usr/bin/python3", ["-c", code, ...modules]).ok;
}

/** @returns {{ needed: string[], useful: string[] }} the Debian packages that are missing here: nothing works without the needed ones */
function missingPackages() {
  const { libtorch } = findLibtorch();
  const needed = [];
  const useful = [];
  if (!process.env.CXX && !onPath("g++")) needed.push("g++");
  if (!fromPip && libtorch?.from !== "pip") {
    if (!libtorch) needed.push("libtorch-dev");
    // The fast engine's; libtorch-dev brings the library, not its headers.
    if (process.arch === "x64") useful.push("libdnnl-dev");
    // Of training by several processes.
    useful.push("libgloo-dev");
    if (!libtorch || (libtorch.from === "system" && !hasFastBlas(libtorch.libDir))) useful.push("libopenblas0-pthread");
  }

  const images = process.env.KNACK_FASHION_MNIST;
  if (images && !existsSync(images)) throw new Error(`KNACK_FASHION_MNIST names ${images}: no such folder`);
  if (!images) useful.push("dataset-fashion-mnist");

  if (forTests && !oracleHas("torch", "torchvision")) needed.push("python3-torch", "python3-torchvision");
  // PyTorch 2's exporter asks for it.
  if (forTests && !oracleHas("onnx")) needed.push("python3-onnx");
  if (forTests && !process.env.KNACK_CHROMIUM && !existsSync(CHROMIUM)) needed.push("chromium");
  const absent = (/** @type {string} */ name) => !isInstalled(name);
  return { needed: needed.filter(absent), useful: useful.filter(absent) };
}

function systemPackages() {
  if (!onPath("dpkg-query") || !onPath("apt-get")) return withoutApt();
  const { needed, useful } = missingPackages();
  const missing = [...needed, ...useful];
  if (missing.length === 0) return say("system packages: all there");

  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) return withoutRoot(needed, `sudo apt-get ${install.join(" ")}`);
  say(`system packages: installing ${missing.join(" ")} …`);
  const log = [];
  for (const args of [["update"], install]) {
    const { ok, output } = run("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
      DEBIAN_FRONTEND: "noninteractive",
    });
    log.push(output);
    writeWhole("build/setup-apt.log", log.join("\n"));
    if (!ok) throw new Error(`apt-get ${args.join(" ")} failed (build/setup-apt.log):\n${trouble(output)}`);
  }
}

/** Goes on where what is missing is only useful. */
function withoutRoot(/** @type {string[]} */ needed, /** @type {string} */ command) {
  if (needed.length === 0)
    return say(`system packages: some are missing, and only root can install them:\n  ${command}`);
  const way = needed.includes("libtorch-dev")
    ? "\nWithout root, libtorch comes from pip's index:\n  npm run setup -- --from pip"
    : "";
  throw new Error(
    `system packages are missing and only root can install them. Run this, then the same command again:\n  ${command}${way}`,
  );
}

/** Not Debian: the addon needs a libtorch and a compiler, the rest is the user's choice. */
function withoutApt() {
  const { libtorch, tried } = findLibtorch();
  if (!process.env.CXX && !onPath("g++") && !onPath("c++")) {
    throw new Error("no C++ compiler found: install g++ (Fedora: gcc-c++), or name one in CXX");
  }
  if (!libtorch && !fromPip) {
    throw new Error(
      `no apt here and no libtorch found (${tried.join("; ")}): run \`npm run setup -- --from pip\`, which gets it from pip's index, ` +
        "or set KNACK_LIBTORCH",
    );
  }
  say("system packages: no apt here, nothing installed");
  if (!process.env.KNACK_FASHION_MNIST) {
    say("  Fashion-MNIST: put its four IDX files into a folder and name it in KNACK_FASHION_MNIST");
  }
  if (forTests) say("  tests compare with PyTorch: /usr/bin/python3 needs torch and torchvision for that");
  if (forTests) say("  tests open reports in Chromium: name one in KNACK_CHROMIUM");
}

function npmPackages() {
  const stamp = stampOf(["package-lock.json"], []);
  if (isCurrent("node_modules/.knack-lock", stamp)) return say("npm packages: up to date");
  say("npm packages: npm ci …");
  // TypeScript is a development dependency, and needed. ONNX Runtime's install script would fetch CUDA libraries from elsewhere.
  const { ok, output } = run("npm", ["ci", "--include=dev", "--no-audit", "--no-fund"], {
    ONNXRUNTIME_NODE_INSTALL: "skip",
  });
  if (!ok) throw new Error(`npm ci failed:\n${trouble(output)}`);
  writeWhole("node_modules/.knack-lock", stamp);
}

function typescript() {
  const sources = [
    ...["src", "test", "bench", "examples"].flatMap((folder) => filesUnder(folder, ".ts")),
    "tsconfig.json",
  ];
  const stamp = stampOf([...sources, "package-lock.json"], []);
  if (isCurrent("dist/.knack-sources", stamp)) return say("typescript: up to date");
  say("typescript: compiling …");
  // A file that is gone from the sources must not stay behind as a test that still runs.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const { ok, output } = run("node_modules/.bin/tsc", ["-p", "tsconfig.json"]);
  if (!ok) throw new Error(`the TypeScript does not compile:\n${trouble(output)}`);
  writeWhole("dist/.knack-sources", stamp);
}

/** npx looks for commands in node_modules/.bin; npm links those of dependencies only. */
function command() {
  const link = join(root, "node_modules/.bin/knack");
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync("../../bin/knack.js", link);
  chmodSync(join(root, "bin/knack.js"), 0o755);
  say("command: npx knack");
}

/** Loads what was built and says which engine people get. */
async function engine() {
  const { describeEngineHere } = await import("../dist/src/engine/engine-here.js");
  for (const line of describeEngineHere()) say(line);
}

try {
  checkNode();
  mkdirSync(join(root, "build"), { recursive: true });
  systemPackages();
  if (fromPip) installFromPip();
  npmPackages();
  await buildAddon();
  if (forTests) await buildSimulatedGpu();
  typescript();
  command();
  await engine();
} catch (error) {
  console.error(`setup: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
