// node steps.mjs OUT DEVICE BEGUN: the steps of run.sh, each with a limit of its own and all within a budget, so that one that fails or hangs does not cost the
// others. OUT/results.json is written anew after each, OUT/log.txt has what the programs said. BEGUN: the second since 1970 at which all began.
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../stamp.mjs";
import { unpackCifar } from "./cifar.mjs";

const [out = ".", device = "cuda", begun = ""] = process.argv.slice(2);
const small = device === "cpu";
/** On the CPU the steps are only tried, by machines that compile slowly. */
const PATIENCE = small ? 4 : 1;
/** Seconds for everything, of the 480 that there are. */
const BUDGET = 460 * PATIENCE;
const [results, log] = [join(out, "results.json"), join(out, "log.txt")];
const secondsLeft = () => BUDGET - (Date.now() / 1000 - Number(begun));

/** A network that keeps a GPU busy, and one of operators so short that the CPU may be what it waits for. */
const RESNET50 = small
  ? { model: "resnet50", size: 64, batch: 2, steps: 2 }
  : { model: "resnet50", size: 224, batch: 256, steps: 20 };
const SMALL = { ...RESNET50, model: "resnet18_small", size: 32, batch: small ? 2 : 128 };
const CIFAR = small
  ? { model: "resnet20", batch: 50, workers: 0, more: ["--option", "width=4", "--train-share", "0.01"] }
  : { model: "resnet18_small", batch: 512, workers: 8, more: [] };

/** @typedef {{ limit: number, env?: Record<string, string>, said?: (line: string) => void }} Running */

/**
 * Runs a program with all that it starts, and ends it at its limit.
 * @returns {Promise<{ stdout: string, peakBytes: number | undefined }>}
 * @throws {Error} where it fails or is ended; the log has what it said
 */
function execute(
  /** @type {string} */ program,
  /** @type {string[]} */ args,
  /** @type {Running} */ { limit, env, said },
) {
  appendFileSync(log, `$ ${[program, ...args].join(" ")}\n`);
  const child = spawn(program, args, {
    cwd: root,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const group = child.pid ?? 0;
  let [stdout, unfinished, stderr, ended] = ["", "", "", false];
  /** @type {number | undefined} */
  let peakBytes;
  child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    appendFileSync(log, text);
    stdout += text;
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() ?? "";
    for (const line of lines) said?.(line);
  });
  child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    appendFileSync(log, text);
    stderr = (stderr + text).slice(-2000);
  });
  const looking = setInterval(() => {
    peakBytes = Math.max(peakBytes ?? 0, memoryOf(group)) || undefined;
  }, 500);
  const timer = setTimeout(() => {
    ended = true;
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      // It ended at this moment.
    }
  }, 1000 * limit);
  return new Promise((done, failed) => {
    const finish = (/** @type {string | undefined} */ fault) => {
      clearTimeout(timer);
      clearInterval(looking);
      if (fault === undefined) done({ stdout, peakBytes });
      else failed(new Error(fault));
    };
    child.on("error", ({ message }) => finish(message));
    child.on("close", (code, signal) => {
      const fault = ended ? `ended after its ${limit.toFixed(0)} s` : `ended with ${signal ?? code}${lastOf(stderr)}`;
      finish(code === 0 ? undefined : fault);
    });
  });
}

/** The last line, as a sentence's end. */
function lastOf(/** @type {string} */ said) {
  const last = said.trim().split("\n").at(-1);
  return last ? `: ${last}` : "";
}

/** Memory in use: the GPU's, by whomever; of a process on the CPU the most that it has had. 0 where that is not known. */
function memoryOf(/** @type {number} */ pid) {
  try {
    if (small) return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    return 2 ** 20 * Number(nvidia("memory.used"));
  } catch {
    return 0;
  }
}

/** What the driver says of the first GPU. */
const nvidia = (/** @type {string} */ what) =>
  execFileSync("nvidia-smi", ["-i", "0", `--query-gpu=${what}`, "--format=csv,noheader,nounits"], {
    encoding: "utf8",
    timeout: 5000,
  }).trim();

const python = (/** @type {string} */ code) =>
  execFileSync("python3", ["-c", code], { encoding: "utf8", cwd: "/" }).trim();
const knack = (/** @type {string[]} */ args, /** @type {Running} */ running) =>
  execute(process.execPath, ["bin/knack.js", ...args], running);
const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

async function compile(/** @type {number} */ limit) {
  const torch = python("import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])");
  await execute(process.execPath, ["scripts/build-addon.mjs"], { limit, env: { KNACK_LIBTORCH: torch } });
  return JSON.parse(readFileSync(join(root, "build/addon.json"), "utf8")).libtorch;
}

async function machine(/** @type {number} */ limit) {
  const { stdout } = await knack(["doctor", "--json"], { limit });
  const { cpu, memory, libtorch, devices } = JSON.parse(stdout);
  if (!small && !devices.includes("cuda:0")) throw new Error(`knack sees only ${devices.join(", ")}`);
  const gpu = small ? null : nvidia("name,driver_version,memory.total");
  return { gpu, cpu, memory, libtorch, devices };
}

/** Every trick on the device against the CPU. */
async function tricks(/** @type {number} */ limit) {
  /** @type {{ case: string, passed: boolean }[]} */
  const cases = [];
  const said = (/** @type {string} */ line) => void (line.startsWith("{") && cases.push(JSON.parse(line)));
  const running = { limit, said, env: { NVIDIA_TF32_OVERRIDE: "0" } };
  const fault = await faultOf(execute(process.execPath, ["dist/test/children/tricks-on-device.js", device], running));
  const others = cases.filter(({ passed }) => !passed).map((each) => each.case);
  if (fault === undefined) return { cases };
  throw partly(others.length > 0 ? `not as on the CPU: ${others.join(", ")}; ${fault}` : fault, { cases });
}

/** What went wrong. @returns {Promise<string | undefined>} */
const faultOf = (/** @type {Promise<unknown>} */ running) =>
  running.then(
    () => undefined,
    (/** @type {Error} */ { message }) => message,
  );

/** An error of a step that leaves figures behind. */
const partly = (/** @type {string} */ fault, /** @type {object} */ facts) => Object.assign(new Error(fault), { facts });

/** @typedef {typeof RESNET50} Measured */

const byKnack =
  (/** @type {Measured} */ { model, size, batch, steps }) =>
  async (/** @type {number} */ limit) => {
    const sizes = ["--batch-size", batch, "--image-size", size, "--steps", steps].map(String);
    const how = ["--precision", "bf16", "--engine", "plain", "--device", device, "--json"];
    const { stdout, peakBytes } = await knack(["bench", model, ...sizes, ...how], { limit });
    const [{ imagesPerSecond, firstSeconds }] = JSON.parse(stdout).rows;
    return { imagesPerSecond, firstSeconds, peakBytes };
  };

const byPytorch =
  (/** @type {Measured} */ { model, size, batch, steps }, /** @type {"tuned" | "compiled"} */ way) =>
  async (/** @type {number} */ limit) => {
    const args = ["bench/step.py", model, size, batch, steps, "training", way, "bf16", device].map(String);
    const { stdout, peakBytes } = await execute("python3", args, { limit });
    const { first, seconds } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    return { imagesPerSecond: batch / median(seconds), firstSeconds: first, peakBytes };
  };

/** CIFAR-10 from the start, for as many epochs as the measured speed allows, and some to spare. */
async function cifar(/** @type {number} */ limit) {
  const folder = join(root, "cifar");
  if (!existsSync(folder)) throw new Error("no CIFAR-10 was packed");
  const started = Date.now();
  const images = await unpackCifar(folder, join(root, "cifar-10"));
  const { model, batch, workers, more } = CIFAR;
  const common = ["--batch-size", String(batch), "--precision", "bf16", "--device", device];
  const bench = await knack(
    ["bench", model, "--image-size", "32", "--steps", "10", "--engine", "plain", ...common, "--json"],
    { limit },
  );
  const rate = JSON.parse(bench.stdout).rows[0].imagesPerSecond;
  const seconds = limit - (Date.now() - started) / 1000;
  const epochs = small ? 1 : Math.max(1, Math.min(30, Math.floor((0.5 * seconds * rate) / images.training)));
  /** @type {object[]} */
  const learned = [];
  const said = (/** @type {string} */ line) => {
    const event = line.startsWith("{") ? JSON.parse(line) : {};
    if (event.type === "epoch") learned.push({ epoch: event.epoch, seconds: event.seconds, metrics: event.metrics });
  };
  const recipe = [
    "--epochs",
    epochs,
    "--lr",
    0.2,
    "--weight-decay",
    0.0005,
    "--warmup",
    Math.min(2, epochs / 4),
    "--cosine",
  ];
  const args = [
    "train",
    "cifar-10",
    "--model",
    model,
    ...common,
    ...recipe,
    "--workers",
    workers,
    "--out",
    "run",
    "--engine",
    "plain",
    ...more,
  ];
  const fault = await faultOf(knack([...args.map(String), "--json"], { limit: seconds, said }));
  const facts = { images, benchImagesPerSecond: rate, epochs, learned };
  if (fault !== undefined) throw partly(fault, facts);
  return facts;
}

/** In this order: what compiling costs PyTorch comes after what needs the machine more; the second round shows how steady the first was. */
const STEPS = [
  { name: "compile", limit: 150, run: compile },
  { name: "machine", limit: 30, run: machine },
  { name: "tricks", limit: 110, run: tricks },
  { name: "resnet50 knack 1", limit: 70, run: byKnack(RESNET50) },
  { name: "resnet50 pytorch eager 1", limit: 70, run: byPytorch(RESNET50, "tuned") },
  { name: "cifar-10", limit: 110, run: cifar },
  { name: "resnet50 pytorch compiled 1", limit: 150, run: byPytorch(RESNET50, "compiled") },
  { name: "resnet50 knack 2", limit: 45, run: byKnack(RESNET50) },
  { name: "resnet50 pytorch eager 2", limit: 45, run: byPytorch(RESNET50, "tuned") },
  { name: "resnet18_small knack", limit: 30, run: byKnack(SMALL) },
  { name: "resnet18_small pytorch eager", limit: 30, run: byPytorch(SMALL, "tuned") },
  { name: "resnet50 pytorch compiled 2", limit: 90, run: byPytorch(RESNET50, "compiled") },
];

writeFileSync(log, "");
/** @type {object[]} */
const done = [];
for (const { name, limit, run } of STEPS) {
  const most = Math.min(PATIENCE * limit, secondsLeft());
  const started = Date.now();
  appendFileSync(log, `\n== ${name}\n`);
  const outcome =
    most < 5
      ? { passed: false, error: "no time was left for it" }
      : await run(most).then(
          (facts) => ({ passed: true, ...facts }),
          (error) => ({ passed: false, error: error.message, ...error.facts }),
        );
  const seconds = Number(((Date.now() - started) / 1000).toFixed(1));
  done.push({ step: name, seconds, ...outcome });
  const line = `${name}: ${outcome.passed ? "passed" : `failed: ${outcome.error}`} (${seconds} s)`;
  console.log(line);
  appendFileSync(log, `== ${line}\n`);
  writeFileSync(results, `${JSON.stringify({ device, seconds: BUDGET - secondsLeft(), steps: done }, null, 2)}\n`);
  if (!outcome.passed) process.exitCode = 1;
}
