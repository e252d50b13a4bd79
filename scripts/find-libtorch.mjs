// Finds the libtorch that the addon is compiled against, without loading it: KNACK_LIBTORCH, then the one that `npm run setup -- --from pip` has
// installed, then that of the python3 on PATH, then the system's.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { installedFromPip } from "./from-pip.mjs";

/**
 * @typedef {object} Libtorch
 * @property {"KNACK_LIBTORCH" | "pip" | "python" | "system"} from
 * @property {string} version       "1.13.1", "2.7.0+cu128"
 * @property {string} root          the folder that was found: a torch folder of Python's, an unpacked libtorch, or a prefix such as /usr
 * @property {string[]} includeDirs
 * @property {string} libDir
 * @property {string[]} libraries   names to link, without "lib" and ending
 * @property {boolean} cxx11Abi     whether it was built with libstdc++'s C++11 strings
 * @property {number} cxxStandard   the C++ standard its headers ask for, 17 or later
 * @property {boolean} cuda
 * @property {string} detail        one line for people: what else was looked at on the way
 */

const multiarch = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch] ?? "";

const systemPrefixes = [
  "/usr",
  "/usr/local",
  process.env.HOMEBREW_PREFIX ? join(process.env.HOMEBREW_PREFIX, "opt/pytorch") : "",
  "/opt/homebrew/opt/pytorch",
  "/usr/local/opt/pytorch",
].filter((prefix) => prefix !== "");

const read = (/** @type {string} */ path) => (existsSync(path) ? readFileSync(path, "utf8") : "");

/** @returns {string | undefined} the path of a shared library in a folder, whatever this platform's ending is */
function library(/** @type {string} */ dir, /** @type {string} */ name) {
  return [".so", ".dylib"].map((ending) => join(dir, `lib${name}${ending}`)).find((path) => existsSync(path));
}

/** @returns {string | undefined} */
function libraryFolder(/** @type {string} */ prefix) {
  const folders = [join(prefix, "lib", multiarch), join(prefix, "lib"), join(prefix, "lib64")];
  return folders.find((dir) => library(dir, "torch_cpu"));
}

function versionOf(/** @type {string} */ root, /** @type {string} */ include) {
  const written =
    read(join(root, "version.py")).match(/__version__ = ["']([^"']+)/)?.[1] ?? read(join(root, "build-version")).trim();
  if (written) return written;
  if (root === "/usr") {
    // Debian's 1.13.1 calls itself 1.13.0 in its headers.
    const debian = spawnSync("dpkg-query", ["-s", "libtorch-dev"], { encoding: "utf8" });
    const version = debian.stdout?.match(/^Version: (?:\d+:)?(\d[\d.]*\d)/m)?.[1];
    if (version) return version;
  }
  const headers = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"];
  const header = headers.map((name) => read(join(include, name))).join("\n");
  const number = (/** @type {string} */ part) => header.match(new RegExp(`TORCH_VERSION_${part} (\\d+)`))?.[1];
  return number("MAJOR") ? ["MAJOR", "MINOR", "PATCH"].map(number).join(".") : "unknown";
}

/**
 * @param {Libtorch["from"]} from
 * @param {string} root
 * @returns {Libtorch | string} what is there, or what is missing
 */
function inspect(from, root) {
  const include = join(root, "include");
  const libDir = libraryFolder(root);
  if (!existsSync(root)) return `${root}: no such folder`;
  if (!libDir) return `${root}: no lib/libtorch_cpu`;
  const aten = read(join(include, "ATen/ATen.h"));
  if (aten === "") return `${root}: no headers (include/ATen/ATen.h)`;
  const cmake = [join(root, "share"), libDir].map((dir) => read(join(dir, "cmake/Torch/TorchConfig.cmake"))).join("\n");
  const cuda = library(libDir, "torch_cuda") !== undefined;
  return {
    from,
    version: versionOf(root, include),
    root,
    includeDirs: [include, join(include, "torch/csrc/api/include")],
    libDir,
    libraries: ["c10", "torch_cpu", ...(cuda ? ["torch_cuda"] : [])],
    cxx11Abi: !cmake.includes("-D_GLIBCXX_USE_CXX11_ABI=0"),
    cxxStandard: Math.max(17, Number(aten.match(/#error C\+\+(\d+) or later/)?.[1] ?? 17)),
    cuda,
    detail: "",
  };
}

/** @returns {string | undefined} the torch folder of the python3 on PATH; found without importing it, which takes seconds */
function pythonTorch() {
  const code = "import importlib.util as u; s = u.find_spec('torch'); print((s and s.origin) or '')";
  const python = spawnSync("python3", ["-c", code], { encoding: "utf8", cwd: "/" });
  const origin = python.status === 0 ? python.stdout.trim() : "";
  return origin === "" ? undefined : resolve(origin, "..");
}

/** Distributions link Python's torch to the system's library: then it is the system's that was found. */
function isSystemLibrary(/** @type {string} */ libDir) {
  const real = (/** @type {string} */ dir) => realpathSync(library(dir, "torch_cpu") ?? dir);
  return systemPrefixes.some((prefix) => {
    const dir = libraryFolder(prefix);
    return dir !== undefined && real(dir) === real(libDir);
  });
}

/**
 * @returns {{ libtorch: Libtorch | null, tried: string[] }} what was found, and what was looked at before it, in order
 * @throws {Error} when KNACK_LIBTORCH is set but holds no usable libtorch
 */
export function findLibtorch() {
  const wanted = process.env.KNACK_LIBTORCH;
  if (wanted) {
    const found = inspect("KNACK_LIBTORCH", resolve(wanted));
    if (typeof found !== "string") return { libtorch: found, tried: [] };
    throw new Error(
      `KNACK_LIBTORCH is not a libtorch: ${found}; name the folder that holds include/ and lib/, or unset the variable`,
    );
  }

  const tried = ["KNACK_LIBTORCH: not set"];
  const installed = installedFromPip();
  const fromPip = installed === undefined ? "nothing installed by `--from pip`" : inspect("pip", installed.torch);
  if (installed && typeof fromPip !== "string") return { libtorch: { ...fromPip, detail: tried.join("; ") }, tried };
  tried.push(`pip: ${fromPip}`);

  const folder = pythonTorch();
  const python = folder === undefined ? "python3 on PATH has no torch" : inspect("python", folder);
  if (typeof python === "string") tried.push(`python: ${python}`);
  else if (isSystemLibrary(python.libDir)) tried.push(`python: ${python.root} links to the system's libtorch`);
  else return { libtorch: { ...python, detail: tried.join("; ") }, tried };

  for (const prefix of systemPrefixes) {
    const found = inspect("system", prefix);
    if (typeof found !== "string") return { libtorch: { ...found, detail: tried.join("; ") }, tried };
    tried.push(`system: ${found}`);
  }
  return { libtorch: null, tried };
}

/** "2.7.0 (python, /opt/venv/lib/python3.11/site-packages/torch, CUDA)" */
export function describeLibtorch(/** @type {Libtorch} */ { version, from, root, cuda }) {
  return `${version} (${from}, ${root}${cuda ? ", CUDA" : ""})`;
}

/** Whether a program is on PATH. */
export function onPath(/** @type {string} */ program) {
  return (process.env.PATH ?? "").split(delimiter).some((dir) => existsSync(join(dir, program)));
}
