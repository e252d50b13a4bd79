// Packs what run.sh needs on a machine that has PyTorch, a C++ compiler and a GPU, but no Node and no network, into build/gpu-check/carry.tar.xz:
//   node scripts/gpu-check/pack.mjs [CIFAR]        after `npm run setup`; CIFAR: a folder of CIFAR-10's binary files to train on there
// It prints the size; over 60 MB, or where this Node would not run there, it says so and writes nothing.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../stamp.mjs";
import { packCifar } from "./cifar.mjs";

const OUT = join(root, "build/gpu-check");
const MOST_MEGABYTES = 60;
/** What of the repository goes along; of dist what the steps run. */
const FILES = [
  ...["package.json", "bin", "scripts", "src/native", "bench/step.py", "bench/measured.py"],
  ...["test/python/resnet_reference.py", "dist/src", "dist/test/support", "dist/test/children"],
];
/** Packages that no step loads, and that are large; zrender is in echarts' one file. */
const LEFT_OUT = ["@huggingface/hub", "onnxruntime-node", "zrender"];
/** Of packages only what is loaded or included; of echarts, the build that is: the others are 50 MB. */
const isLoaded = (/** @type {string} */ path) =>
  /\.([cm]?js|json|node|h|so[.\d]*)$/.test(path) && !/\/echarts\/(?!package\.json$|dist\/echarts\.js$)/.test(path);

/** Every package that knack's own need, from the folder of one to that of the next. @returns {string[]} */
export function packagesToCarry() {
  const found = new Set();
  const add = (/** @type {string} */ name) => {
    const file = join(root, "node_modules", name, "package.json");
    // Packages for other systems are optional, and not installed.
    if (found.has(name) || LEFT_OUT.includes(name) || !existsSync(file) || name.includes("musl")) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, "utf8"));
    for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) add(each);
  };
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) add(name);
  return [...found].sort();
}

/** @throws {Error} where this Node is linked with what only its distribution has */
function requirePortableNode() {
  const linked = execFileSync("ldd", [process.execPath], { encoding: "utf8" });
  const own = linked
    .match(/lib\w+\.so[.\d]*(?= =>)/g)
    ?.filter((name) => !/^lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so/.test(name));
  if (own?.length) {
    throw new Error(`this Node needs ${own.join(", ")} beside it: pack with one of nodejs.org, which runs everywhere`);
  }
}

/** Copies what is to be carried below a folder. */
async function stage(/** @type {string} */ folder, /** @type {string | undefined} */ cifar) {
  mkdirSync(join(folder, "bin"), { recursive: true });
  copyFileSync(process.execPath, join(folder, "node"));
  chmodSync(join(folder, "node"), 0o755);
  for (const name of FILES) {
    const filter = (/** @type {string} */ from) => !/\.(d\.ts|map)$/.test(from);
    cpSync(join(root, name), join(folder, name), { recursive: true, filter });
  }
  for (const name of packagesToCarry()) {
    const from = join(root, "node_modules", name);
    const filter = (/** @type {string} */ path) =>
      path === from ||
      (!path.slice(from.length).includes("/node_modules") && (statSync(path).isDirectory() || isLoaded(path)));
    cpSync(from, join(folder, "node_modules", name), { recursive: true, dereference: true, filter });
  }
  if (cifar !== undefined) await packCifar(cifar, join(folder, "cifar"));
}

async function pack(/** @type {string | undefined} */ cifar) {
  requirePortableNode();
  if (!existsSync(join(root, "dist/test/children/tricks-on-device.js"))) {
    throw new Error("not compiled: run `npm run setup` first");
  }
  if (cifar !== undefined && !existsSync(cifar)) throw new Error(`${cifar}: no such folder`);
  const folder = join(OUT, "stage");
  const archive = join(OUT, "carry.tar.xz");
  try {
    await stage(folder, cifar);
    const env = { ...process.env, XZ_OPT: "-6 -T0" };
    execFileSync("tar", ["-C", folder, "-cJf", `${archive}.new`, ...readdirSync(folder)], { env });
    const megabytes = statSync(`${archive}.new`).size / 1e6;
    if (megabytes > MOST_MEGABYTES) {
      throw new Error(`${megabytes.toFixed(1)} MB is more than ${MOST_MEGABYTES} MB: give fewer CIFAR files`);
    }
    renameSync(`${archive}.new`, archive);
    console.log(`${archive}: ${megabytes.toFixed(1)} MB`);
  } finally {
    for (const left of [folder, `${archive}.new`]) rmSync(left, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await pack(process.argv[2]);
  } catch (error) {
    console.error(`pack: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
