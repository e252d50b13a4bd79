// Makes a checkout ready: system packages, npm packages, the addon, the TypeScript, the command. Repeating it costs about a second.
// --test adds what the tests need: Debian's own PyTorch, which they compare with, a browser that opens reports, and a simulated GPU.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { buildAddon } from "./build-addon.mjs";
import { buildSimulatedGpu } from "./build-simulated-gpu.mjs";
import { findLibtorch, onPath } from "./find-libtorch.mjs";
import { filesUnder, root, stampOf, writeWhole } from "./stamp.mjs";

/** Where Debian puts it, and the tests look for it. */
const CHROMIUM = "/usr/bin/chromium";
const forTests = process.argv.includes("--test");
const say = (/** @type {string} */ line) => console.log(line);
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

/** Whether /usr/bin/python3 has the PyTorch that the tests compare with; looked up, as importing it takes seconds. */
function hasOracle() {
  const code = "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('torchvision')))";
  return run("/usr/bin/python3", ["-c", code]).ok;
}

/** @returns {string[]} the Debian packages that are missing here */
function missingPackages() {
  const { libtorch } = findLibtorch();
  const missing = [];
  if (!process.env.CXX && !onPath("g++")) missing.push("g++");
  if (!libtorch) missing.push("libtorch-dev");
  // The fast engine's; libtorch-dev brings the library, not its headers.
  if (process.arch === "x64") missing.push("libdnnl-dev");
  if (!libtorch || (libtorch.from === "system" && !hasFastBlas(libtorch.libDir))) missing.push("libopenblas0-pthread");

  const images = process.env.KNACK_FASHION_MNIST;
  if (images && !existsSync(images)) throw new Error(`KNACK_FASHION_MNIST names ${images}: no such folder`);
  if (!images) missing.push("dataset-fashion-mnist");

  if (forTests && !hasOracle()) missing.push("python3-torch", "python3-torchvision");
  if (forTests && !process.env.KNACK_CHROMIUM && !existsSync(CHROMIUM)) missing.push("chromium");
  return missing.filter((name) => !isInstalled(name));
}

function systemPackages() {
  if (!onPath("dpkg-query") || !onPath("apt-get")) return withoutApt();
  const missing = missingPackages();
  if (missing.length === 0) return say("system packages: all there");

  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) {
    throw new Error(
      `system packages are missing and only root can install them. Run this, then the same command again:\n  sudo apt-get ${install.join(" ")}`,
    );
  }
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

/** Not Debian: the addon needs a libtorch and a compiler, the rest is the user's choice. */
function withoutApt() {
  const { libtorch, tried } = findLibtorch();
  if (!libtorch) {
    throw new Error(
      `no apt here and no libtorch found (${tried.join("; ")}): install PyTorch (pip install torch, or brew install pytorch) or set KNACK_LIBTORCH`,
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

try {
  checkNode();
  mkdirSync(join(root, "build"), { recursive: true });
  systemPackages();
  npmPackages();
  await buildAddon();
  if (forTests) await buildSimulatedGpu();
  typescript();
  command();
} catch (error) {
  console.error(`setup: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
