// `npm run setup -- --from pip`: libtorch and oneDNN from pip's index, for machines without root or without Debian. What it installs lies in a virtual
// environment in knack's cache folder, and every later set-up of this user takes it; deleting the folder undoes that.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

/** knack's cache folder by the rules of src/base/folders.ts, which is not compiled yet; undefined where the user has no home. */
function cacheFolder() {
  const { XDG_CACHE_HOME = "", HOME = "" } = process.env;
  if (isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, "knack");
  try {
    return join(isAbsolute(HOME) ? HOME : userInfo().homedir, ".cache/knack");
  } catch {
    return undefined;
  }
}
const cache = cacheFolder();
const PIP_FOLDER = cache && join(cache, "from-pip");

/** oneDNN 2.6, library and headers: the version that the fast engine is written for. */
const ONEDNN = ["onednn-cpu-gomp==2022.2.1", "onednn-devel-cpu-gomp==2022.2.1"];
const forFastEngine = process.platform === "linux" && process.arch === "x64";

/** @returns {string | undefined} PyTorch's folder in a virtual environment; undefined where it is not there */
function torchIn(/** @type {string} */ environment) {
  const lib = join(environment, "lib");
  const versions = existsSync(lib) ? readdirSync(lib) : [];
  return versions.map((python) => join(lib, python, "site-packages/torch")).find((folder) => existsSync(folder));
}

/** What was installed, whole or not at all: PyTorch's folder and the prefix that oneDNN is in. @returns {{ torch: string, prefix: string } | undefined} */
export function installedFromPip() {
  const torch = PIP_FOLDER && torchIn(PIP_FOLDER);
  return torch && PIP_FOLDER ? { torch, prefix: PIP_FOLDER } : undefined;
}

/** @returns {string} standard output @throws {Error} with what the program said */
function output(/** @type {string} */ program, /** @type {string[]} */ args, cwd = "/") {
  const ran = spawnSync(program, args, { encoding: "utf8", cwd });
  if (ran.status !== 0) throw new Error((ran.stderr || ran.stdout || ran.error?.message || `${program} failed`).trim());
  return ran.stdout;
}

/**
 * An environment with pip: by Python's own means, or, where Debian and its kin keep pip apart, by its package, which needs no root to be unpacked.
 *
 * @returns {string[]} the command that runs pip in the environment
 */
function makeEnvironment(/** @type {string} */ folder) {
  const python = join(folder, "bin/python");
  try {
    output("python3", ["-m", "venv", folder]);
    return [python, "-m", "pip"];
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const scratch = mkdtempSync(join(tmpdir(), "knack-pip-"));
    try {
      output("python3", ["-m", "venv", "--without-pip", folder]);
      output("apt-get", ["download", "python3-pip-whl"], scratch);
      const [archive = ""] = readdirSync(scratch);
      output("dpkg-deb", ["-x", join(scratch, archive), folder]);
      const wheels = join(folder, "usr/share/python-wheels");
      const wheel = readdirSync(wheels).find((name) => name.startsWith("pip-")) ?? "";
      return [python, join(wheels, wheel, "pip")];
    } catch {
      const [first = ""] = (error instanceof Error ? error.message : "").split("\n");
      throw new Error(
        `python3 makes no virtual environment with pip: ${first}\ninstall its venv (apt-get install python3-venv), then run this again`,
      );
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
}

/** pip's own lines tell sizes and progress. */
function install(/** @type {string[]} */ pip, /** @type {string[]} */ ...what) {
  const [program = "", ...args] = pip;
  const all = [...args, "install", "--disable-pip-version-check", "--no-compile", "--no-warn-conflicts", ...what];
  const { status } = spawnSync(program, all, { stdio: "inherit", cwd: "/" });
  if (status !== 0) throw new Error(`pip install ${what.join(" ")} failed: what it said stands above`);
}

/**
 * What libtorch's CPU half still loads of CUDA where the index has no CPU build: two small libraries of the several gigabytes that PyTorch asks for.
 *
 * @returns {string[]} requirements, at the versions that PyTorch names
 */
function cudaRequirements(/** @type {string} */ environment) {
  const code = "import importlib.metadata as m, json; print(json.dumps(m.requires('torch') or []))";
  const requirements = JSON.parse(output(join(environment, "bin/python"), ["-c", code]));
  return requirements.flatMap((/** @type {string} */ requirement) => {
    if (/^nvidia-cuda-(cupti|runtime)\b/.test(requirement)) return requirement;
    return /^cuda-toolkit\[/.test(requirement) ? requirement.replace(/\[.*?\]/, "[cupti,cudart]") : [];
  });
}

/** Installs PyTorch and oneDNN unless they are there. @throws {Error} for people */
export function installFromPip() {
  if (PIP_FOLDER === undefined) throw new Error("this user has no home folder: name one for it in XDG_CACHE_HOME");
  if (installedFromPip()) {
    console.log(`from pip: all there in ${PIP_FOLDER}; delete that folder for a newer PyTorch`);
    return;
  }
  console.log(`from pip: PyTorch${forFastEngine ? " and oneDNN" : ""} into ${PIP_FOLDER}`);
  console.log(
    "  PyPI's PyTorch for Linux is some 570 MB to download and 0.8 GB there; an index with CPU builds, 200 MB",
  );
  const fresh = `${PIP_FOLDER}.new`;
  try {
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(dirname(fresh), { recursive: true });
    const pip = makeEnvironment(fresh);
    install(pip, "--no-deps", "torch>=2,<3");
    const more = [...cudaRequirements(fresh), ...(forFastEngine ? ONEDNN : [])];
    if (more.length > 0) install(pip, ...more);
    const lib = join(torchIn(fresh) ?? "", "lib");
    // Its libraries are not there, so that it could not be loaded.
    for (const name of readdirSync(lib).filter((name) => /cuda|nvshmem/.test(name))) rmSync(join(lib, name));
    renameSync(fresh, PIP_FOLDER);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
