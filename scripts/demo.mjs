// The demo: a teacher, then a student that learns from it with every trick of the paper, on Fashion-MNIST.
// `--quick` trains one epoch each, to see that everything works.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./stamp.mjs";

const quick = process.argv.includes("--quick");
const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
const teacher = join("runs", `demo-teacher-${stamp}`);
const student = join("runs", `demo-student-${stamp}`);
const network = "--model resnet18d_small --option width=16".split(" ");
// Both recipes compute in bf16, which is the slower one where oneDNN has none.
const { hasBfloat16 } = await import("../dist/src/tensor/ops.js");
const precision = hasBfloat16() ? [] : ["--precision", "fp32"];
// Few epochs: small batches for many steps, and little augmentation, which a long training would need more of.
const pace = "--batch-size 64 --lr 0.2 --weight-decay 5e-4 --warmup 0.5 --crop 1 --no-flip".split(" ");
const started = Date.now();

/** Runs one knack command and shows it first, so that it can be typed by hand. */
async function knack(...args) {
  console.log(`\n$ npx knack ${args.join(" ")}`);
  const child = spawn(process.execPath, [join(root, "bin", "knack.js"), ...args], { cwd: root, stdio: "inherit" });
  process.once("SIGTERM", () => child.kill("SIGTERM"));
  process.once("SIGINT", () => {}); // the terminal gives Ctrl-C to the child as well: wait for its checkpoint
  const [code] = await once(child, "exit");
  if (code !== 0) process.exit(code ?? 1);
}

console.log("Demo: 60,000 pictures of clothes, ten classes. First a teacher, trained with the tricks that need none …");
await knack(
  ...["train", "fashion-mnist", "--recipe", "efficient", ...network, ...pace, ...precision],
  ...["--epochs", quick ? "1" : "2", "--cosine", "--label-smoothing", "0.1", "--out", teacher],
);

console.log("\n… then the student, with every trick of the paper:");
await knack(
  ...["train", "fashion-mnist", "--recipe", "bag-of-tricks", ...network, ...pace, ...precision],
  ...["--epochs", quick ? "1" : "4", "--teacher", teacher, "--out", student],
);

const metrics = readFileSync(join(root, student, "metrics.jsonl"), "utf8")
  .trim()
  .split("\n");
const done = JSON.parse(metrics.at(-1));
console.log(`
The run:         ${student}
Its checkpoint:  ${student}/checkpoints/best
Its plots:       ${student}/curves.svg
Took:            ${Math.round((Date.now() - started) / 1000)} s

Next, try:
  npx knack eval ${student} fashion-mnist          measure it again
  npx knack schedule --recipe bag-of-tricks --steps-per-epoch 937     see its learning rate
  npx knack train fashion-mnist --recipe baseline --model resnet18_small --epochs 10
  npx knack train --help                           every trick has its switch
`);
console.log(`demo: top-1 ${(done.top1 * 100).toFixed(2)} %`);
