// A whole training on knack's tensors, layers and tricks, without runs and files: node dist/examples/train-in-100-lines.js [DATA]
import * as knack from "knack";

const { BatchNorm2d, chain, Conv2d, GlobalAvgPool2d, Linear, Module, ops, scope } = knack; // tensors and layers

// What to learn, by which recipe: the paper's tricks, as far as a small network on small images has a use for them.
const { train, validation } = knack.openData(process.argv[2] ?? "fashion-mnist") as knack.DataSource;
const recipe = knack.parseRecipe(
  {
    epochs: 1,
    batchSize: 128,
    lr: 0.2,
    warmup: { epochs: 0.2 },
    schedule: { type: "cosine" },
    noBiasDecay: true,
    labelSmoothing: {},
    augmentation: { crop: 1, flip: false },
  },
  "this example",
);
const { epochs, batchSize, augmentation, seed } = recipe;

// The network. Its properties are its layers, and their names those of its state dict.
class Network extends Module {
  readonly conv1 = new Conv2d(train.channels, 16, 3, { padding: 1 });
  readonly bn1 = new BatchNorm2d(16);
  readonly conv2 = new Conv2d(16, 32, 3, { stride: 2, padding: 1 });
  readonly bn2 = new BatchNorm2d(32);
  readonly conv3 = new Conv2d(32, 64, 3, { stride: 2, padding: 1 });
  readonly bn3 = new BatchNorm2d(64);
  readonly pool = new GlobalAvgPool2d();
  readonly fc = new Linear(64, train.classes.length);

  override forward(images: knack.Tensor): knack.Tensor {
    const first = chain(images, this.conv1, this.bn1, ops.reluInPlace, this.conv2, this.bn2, ops.reluInPlace);
    return chain(first, this.conv3, this.bn3, ops.reluInPlace, this.pool, this.fc);
  }
}
const model = new Network();
knack.xavierUniform(model, seed);

// The tricks act at the moments of a run, in the order of their list. This is the run as they see it.
const stepsPerEpoch = Math.floor(train.count / batchSize);
const run: knack.Run = {
  recipe,
  stepsPerEpoch,
  train,
  model,
  device: "cpu",
  precision: "fp32",
  engine: { engine: "plain", winograd: false },
  startsFrom: undefined,
  state: new Map(model.state()),
  get schedule() {
    return schedule;
  },
};
const tricks = new knack.RunningTricks(knack.TRICKS, run);
const schedule = tricks.schedule();
tricks.initialised(model);
const all = { parameters: new Map(model.parameters()), weightDecay: recipe.weightDecay, lrFactor: 1 };
const optimizer = knack.OPTIMIZERS[0].create(tricks.grouped([all], model), recipe, new Map());
for (const { trick, asked, detail } of tricks.audit()) if (asked) console.log(`${trick}: ${detail}`);

// Each step: images and targets as the tricks change them, forward, loss, backward, update.
const batches = new knack.Loader(train, { batchSize, augmentation, seed, workers: 0 });
let step = 0;
for (let epoch = 0; epoch < epochs; epoch++) {
  model.train();
  for await (const { pixels, labels } of batches.epoch(epoch)) {
    const loss = scope(() => {
      const hard = ops.oneHot(ops.toDType(knack.Tensor.from(labels), "int64"), train.classes.length);
      const clean = { images: knack.prepareImages(pixels, train, "cpu"), targets: tricks.targets(hard, step, 0) };
      const batch = tricks.batch({ ...clean, shares: hard }, step, 0);
      const { images } = batch;
      const logits = model.forward(images);
      const supervised = ops.crossEntropy(logits, tricks.weighted(batch, step, 0));
      const loss = tricks.loss(supervised, { images, logits }, step, 0);
      knack.backward(loss);
      return loss.item();
    });
    optimizer.step(schedule.at(step), 1);
    tricks.stepped();
    if (step++ % 100 === 0) console.log(`step ${step} of ${schedule.totalSteps}: loss ${loss.toFixed(3)}`);
  }
  const images = new knack.Loader(validation, { batchSize: 500, augmentation: "none", seed, workers: 0 });
  const { metrics } = await knack.evaluate(model, images.all(), { format: train, device: "cpu" });
  console.log(`epoch ${epoch + 1}: top-1 ${(100 * (metrics["top-1"] ?? 0)).toFixed(2)} %`);
}
