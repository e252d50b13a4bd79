import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import ort from "onnxruntime-node";
import sharp from "sharp";
import { evaluationPixels } from "../../src/data/pictures/evaluation-transform.js";
import { prepareImages } from "../../src/training/prepare-images.js";
import { KnackError } from "../../src/base/errors.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel, MODELS } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { foldBatchNorm } from "../../src/nn/graph/fold-batch-norm.js";
import { traceGraph, type Value, valuesRead } from "../../src/nn/graph/graph.js";
import { Module, Parameter } from "../../src/nn/module.js";
import { NORM } from "../../src/nn/parameter-role.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { exportOnnx } from "../../src/onnx/export.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { inventedPicture } from "../../src/onnx/invented-picture.js";
import { readOnnxMetadata } from "../../src/onnx/model-file.js";
import { noGradient } from "../../src/tensor/autograd.js";
import {
  add,
  avgPool2d,
  fillInPlace,
  full,
  logSoftmax,
  maxPool2d,
  mul,
  narrow,
  reluInPlace,
  reshape,
  softmax,
  toDType,
} from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { parseConfig } from "../../src/weights/config.js";
import { assertNear, calibrate, randomImages, randomise } from "../support/against-pytorch.js";
import { inputError } from "../support/input-error.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const folder = mkdtempSync(join(tmpdir(), "knack-onnx-"));
after(() => rmSync(folder, { recursive: true }));

/** What ONNX Runtime computes from a model's bytes. */
async function runOnnx(bytes: Uint8Array, batches: readonly Tensor[]): Promise<number[][]> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const outputs: number[][] = [];
  for (const batch of batches) {
    const images = new ort.Tensor("float32", Float32Array.from(batch.toArray()), batch.shape);
    const { logits } = await session.run({ images });
    outputs.push(Array.from(logits?.data as Float32Array));
  }
  await session.release();
  return outputs;
}

/** Normalised pictures: photographs where KNACK_DATA names a folder that holds some, else invented ones. */
async function pictures(count: number, size: number): Promise<Tensor> {
  const photographs = join(process.env.KNACK_DATA ?? "", "data", "imagenet_samples");
  const files = process.env.KNACK_DATA ? readdirSync(photographs).filter((name) => name.endsWith(".JPEG")) : [];
  const format = {
    size: [size, size],
    resize: "crop",
    cropPct: 0.875,
    interpolation: "bilinear",
    channels: 3,
    mean: [0.5, 0.5, 0.5],
  } as const;
  const pixels = Array.from({ length: count }, (_, i) => {
    const file = files[i];
    return file ? evaluationPixels(join(photographs, file), format) : inventedPicture(i, size, size, 3);
  });
  const [mean, std] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ] as const;
  return prepareImages(
    Buffer.concat(await Promise.all(pixels)),
    { height: size, width: size, channels: 3, mean, std },
    "cpu",
  );
}

interface Trial {
  /** Height and width of the pictures. */
  readonly size: number;
  readonly options: ModelOptions;
}

/** How each model is tried: narrow where it can be, with all options that change its operators. */
function trialsOf(name: string): Trial[] {
  // Odd sizes, so that every pooling and stride has a rest; even ones for SAME, so that its padding has two unequal sides.
  if (name.startsWith("mobilenet")) {
    const keras = { pad_type: "same", act_layer: "relu6", bn_eps: 1e-3 };
    return [
      { size: 65, options: {} },
      { size: 64, options: keras },
    ];
  }
  // Its own size: with random weights and smaller pictures float32 itself is 1e-4 off from float64.
  if (name.startsWith("inception")) return [{ size: 299, options: { aux_logits: true } }];
  return [{ size: 33, options: { width: 8 } }];
}

test("every registered model gives the same logits in ONNX Runtime, folded or not, alone and in a batch", async () => {
  const before = liveTensors();
  for (const name of MODELS.keys()) {
    for (const { size, options } of trialsOf(name)) {
      using images = await pictures(3, size);
      using single = narrow(images, 0, 0, 1);
      using model = createModel(name, { classes: 10, inChannels: 3 }, options);
      randomise(model);
      calibrate(model, images);
      model.eval();
      const [alone, batch] = [single, images].map((input) =>
        scope(() => noGradient(() => model.forward(input).toArray())),
      );
      assert.ok(alone && batch);
      const differs = alone.some((value, k) => Math.abs(value - (batch[10 + k] ?? value)) > 0.05);
      assert.ok(differs, `${name}: another picture makes no difference, so this test would see none either`);

      const graph = traceGraph(model, [1, 3, size, size]);
      const folded = foldBatchNorm(graph);
      assert.ok(graph.nodes.some(({ operator }) => operator === "aten::batch_norm"));
      const convolved = new Set(
        folded.nodes.filter(({ operator }) => operator === "aten::conv2d").map(({ output }) => output),
      );
      const unfolded = folded.nodes.filter(({ operator }) => operator === "aten::batch_norm");
      assert.ok(
        unfolded.every(({ arguments: [input] }) => !convolved.has(input as Value)),
        `${name}: a batch norm after a convolution is not folded into it`,
      );
      for (const [form, exported] of Object.entries({ graph, folded })) {
        const what = `${name} ${JSON.stringify(options)} ${form}`;
        const [aloneInOnnx = [], batchInOnnx = []] = await runOnnx(exportOnnx(exported, {}), [single, images]);
        assertNear(aloneInOnnx, alone, what);
        assertNear(batchInOnnx, batch, what);
      }
      for (const [value, tensor] of folded.parameters) if (!graph.parameters.has(value)) tensor.dispose();
    }
  }
  assert.equal(liveTensors(), before);
});

/** A module that is nothing but its forward pass. */
class Passing extends Module {
  constructor(override readonly forward: (input: Tensor) => Tensor) {
    super();
  }
}

test("poolings of every kernel, stride, padding and rest are PyTorch's in ONNX Runtime", async () => {
  using images = randomImages(1, 2, 7, 10);
  for (const kernel of [1, 2, 3]) {
    for (const stride of [1, 2, 3]) {
      for (const padding of [0, Math.floor(kernel / 2)]) {
        for (const [what, pool] of Object.entries<(x: Tensor) => Tensor>({
          max: (x) => maxPool2d(x, kernel, stride, padding),
          average: (x) => avgPool2d(x, kernel, stride, { padding }),
          "average in ceil mode": (x) =>
            avgPool2d(x, kernel, stride, { padding, ceilMode: true, countIncludePad: false }),
        })) {
          const model = new Passing(pool);
          const expected = scope(() => pool(images).toArray());
          const [actual = []] = await runOnnx(exportOnnx(traceGraph(model, [1, 2, 7, 10]), {}), [images]);
          assertNear(actual, expected, `${what}, kernel ${kernel}, stride ${stride}, padding ${padding}`);
        }
      }
    }
  }
});

test("a graph is single assignment: operators in place make new values", () => {
  using model = createModel("resnet18_small", { classes: 4, inChannels: 3 }, { width: 4 });
  const { input, nodes, parameters, outputs } = traceGraph(model.eval(), [2, 3, 16, 16]);
  assert.ok(nodes.every(({ operator }) => !/_(\.|$)/.test(operator)));
  const known = new Set([input, ...parameters.keys()]);
  for (const node of nodes) {
    for (const value of valuesRead(node)) assert.ok(known.has(value), `${value.name} is read before it is made`);
    assert.ok(!known.has(node.output));
    known.add(node.output);
  }
  assert.equal(nodes.at(-1)?.output, outputs[0]);
  assert.deepEqual(outputs[0].shape, [2, 4]);
  assert.equal(new Set([...known].map(({ name }) => name)).size, known.size);
  const used = [...model.state()].filter(([name]) => !name.endsWith("num_batches_tracked"));
  assert.deepEqual(new Map([...parameters].map(([{ name }, tensor]) => [name, tensor])), new Map(used));
});

test("what a graph cannot say is an error that names the operator", () => {
  const refuses = (forward: (input: Tensor) => Tensor, message: RegExp) =>
    assert.throws(
      () => traceGraph(new Passing(forward), [1, 3, 4, 4]),
      (error) => error instanceof KnackError && message.test(error.message),
    );
  using constant = full([1, 3, 4, 4], 1);
  refuses((x) => add(x, constant), /^aten::add.Tensor uses a tensor of shape \[1, 3, 4, 4\]/);
  refuses((x) => add(x, reluInPlace(narrow(x, 1, 0, 1))), /^aten::relu_ changes a tensor that another/);
  refuses(() => constant, /^the model's output/);
  using norm = new BatchNorm2d(3);
  const inTraining = traceGraph(norm, [2, 3, 4, 4]);
  assert.throws(() => exportOnnx(inTraining, {}), /^KnackError: ONNX export: aten::batch_norm .*in training mode/);
});

test("a layer of one's own that scales channels and keeps the input's dtype is PyTorch's in ONNX Runtime, in any batch", async () => {
  class Scale extends Module {
    readonly gamma = Parameter.of(Tensor.from([0.5, -2, 3]), NORM);
    override forward(input: Tensor): Tensor {
      return scope(() => toDType(mul(input, reshape(this.gamma, [1, 3, 1, 1])), input.dtype));
    }
  }
  using scale = new Scale();
  using images = randomImages(2, 3, 4, 5);
  using single = narrow(images, 0, 0, 1);
  const exported = exportOnnx(traceGraph(scale, [1, 3, 4, 5]), {});
  const expected = [single, images].map((input) => scope(() => noGradient(() => scale.forward(input).toArray())));
  const actual = await runOnnx(exported, [single, images]);
  for (const [i, numbers] of expected.entries()) assertNear(actual[i] ?? [], numbers, `batch ${i + 1}`);
});

test("operators without a rule are an error that names them all", () => {
  const graph = traceGraph(new Passing((x) => softmax(logSoftmax(x, 1), 1)), [1, 3, 4, 4]);
  assert.throws(
    () => exportOnnx(graph, {}),
    /^KnackError: ONNX export: aten::log_softmax.int, aten::softmax.int cannot be exported$/,
  );
});

test("a convolution that somebody else reads too keeps its batch norm", () => {
  class Shared extends Module {
    readonly conv = new Conv2d(3, 3, 1);
    readonly norm = new BatchNorm2d(3);
    override forward(input: Tensor): Tensor {
      const convolved = this.conv.forward(input);
      return add(this.norm.forward(convolved), convolved);
    }
  }
  using model = new Shared();
  const graph = traceGraph(model.eval(), [1, 3, 4, 4]);
  assert.deepEqual(foldBatchNorm(graph), graph);
});

interface CheckpointOptions {
  readonly names?: readonly string[];
  readonly spoil?: (model: Module) => void;
}

/** A checkpoint of a tiny network. */
function checkpoint(name: string, { names = ["a", "b"], spoil = () => {} }: CheckpointOptions = {}): string {
  using model = createModel("resnet20", { classes: names.length, inChannels: 1 }, { width: 2 });
  randomise(model);
  spoil(model);
  const config = {
    architecture: "resnet20",
    num_classes: names.length,
    in_chans: 1,
    input_size: [1, 32, 24],
    mean: [0.25],
    std: [0.5],
    interpolation: "bilinear",
    crop_pct: 0.9,
    license: "cc0-1.0",
    label_names: names,
    model_options: { width: 2 },
  };
  const path = join(folder, name);
  saveCheckpoint(path, { weights: stateDict(model), config: parseConfig(config, "config") });
  return path;
}

test("class names, preprocessing and licence come back from the file, whatever they hold", async () => {
  const names = ["", '"', "a\nb", "\u0000", "🦆, rubber", "\ud800", "__proto__", "</script>", "x".repeat(100_000)];
  const file = join(folder, "hostile.onnx");
  const report = await exportCheckpoint(checkpoint("hostile", { names }), file);
  const metadata = readOnnxMetadata(file);
  assert.deepEqual(metadata, report.metadata);
  assert.deepEqual(JSON.parse(metadata.class_names ?? ""), names);
  assert.deepEqual(metadata, {
    architecture: "resnet20",
    model_options: '{"width":2}',
    class_names: JSON.stringify(names),
    input_size: "[1,32,24]",
    mean: "[0.25]",
    std: "[0.5]",
    interpolation: "bilinear",
    crop_pct: "0.9",
    license: "cc0-1.0",
  });
  const session = await ort.InferenceSession.create(file);
  assert.deepEqual(session.inputNames, ["images"]);
  assert.deepEqual(session.outputNames, ["logits"]);
  const [input] = session.inputMetadata;
  assert.ok(input?.isTensor);
  assert.deepEqual([input.type, ...input.shape], ["float32", "batch", 1, 32, 24]);
  await session.release();
});

test("verification says what it compared, on given pictures or invented ones", async () => {
  const source = checkpoint("good");
  const file = join(folder, "good.onnx");
  const invented = (await exportCheckpoint(source, file, { verifyOn: [] })).verification;
  assert.deepEqual([invented?.pictures, invented?.batches, invented?.top1Agreement], [8, [1, 8], 1]);
  assert.ok(invented && invented.relativeDifference < 1e-5 && invented.passed);

  const given = join(folder, "pictures");
  mkdirSync(given);
  const pixels = Buffer.from(inventedPicture(1, 40, 50, 3));
  await sharp(pixels, { raw: { height: 40, width: 50, channels: 3 } }).toFile(join(given, "1.png"));
  writeFileSync(join(given, "notes.txt"), "");
  const options = { verifyOn: [given], foldBatchNorm: false };
  const { verification, folded } = await exportCheckpoint(source, file, options);
  assert.deepEqual([verification?.pictures, verification?.batches, folded], [1, [1, 2], 0]);
});

test("a model whose logits are no numbers fails verification, and nothing is written", async () => {
  const spoil = (model: Module) =>
    noGradient(() => {
      for (const [name, tensor] of model.state()) if (name.endsWith("weight")) fillInPlace(tensor, 3e38);
    });
  const file = join(folder, "bad.onnx");
  await assert.rejects(exportCheckpoint(checkpoint("bad", { spoil }), file, { verifyOn: [] }), (error) => {
    assert.ok(error instanceof KnackError && error.exitCode === 1);
    assert.match(error.message, /bad\.onnx was not written: ONNX Runtime's logits differ/);
    return true;
  });
  assert.ok(!existsSync(file));
});

test("a place where no file can be, a missing checkpoint and missing pictures are errors that name them", async () => {
  const source = checkpoint("place");
  const refuses = (file: string, message: RegExp, verifyOn?: string[], from = source) =>
    assert.rejects(exportCheckpoint(from, file, verifyOn === undefined ? {} : { verifyOn }), inputError(message));
  mkdirSync(join(folder, "folder.onnx"));
  mkdirSync(join(folder, "empty"));
  const file = join(folder, "place.onnx");
  await refuses(join(folder, "model.safetensors"), /model\.safetensors: the name of an ONNX file ends in \.onnx/);
  await refuses(join(folder, "folder.onnx"), /folder\.onnx is a folder/);
  await refuses(join(folder, "nowhere", "x.onnx"), /there is no folder .*nowhere/);
  await refuses(file, /there is no checkpoint .*absent/, undefined, join(folder, "absent"));
  await refuses(file, /empty holds no pictures/, [join(folder, "empty")]);
  await refuses(file, /cannot read .*absent\.png/, [join(folder, "absent.png")]);
  assert.ok(!existsSync(file));
});

test("damaged ONNX files are refused or read, by knack and by ONNX Runtime, without a crash", async () => {
  const file = join(folder, "whole.onnx");
  await exportCheckpoint(checkpoint("whole"), file);
  const script = fileURLToPath(new URL("../children/damaged-onnx.js", import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, file, "200"], { encoding: "utf8" });
  assert.equal(status, 0, `${signal ?? status}: ${stderr}`);
  assert.ok(Number(stdout) > 50, `only ${stdout} of 200 were refused`);
  assert.throws(() => readOnnxMetadata(folder), inputError(/it is not a file/));
  assert.throws(() => readOnnxMetadata(join(folder, "absent.onnx")), inputError(/cannot read .*absent\.onnx/));
});
