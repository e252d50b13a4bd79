import { BadPictures } from "../data/loading/bad-pictures.js";
import { kindOf } from "../data/kinds/kinds.js";
import { Loader } from "../data/loading/loader.js";
import { openGrouped } from "../data/sources/open-grouped.js";
import { ConvolutionChoices } from "../engine/convolution-choices.js";
import type { Doing } from "../base/thread-stream.js";
import { formForImages } from "../models/registry.js";
import { makeDeterministic } from "../tensor/engine.js";
import type { ProcessGroup } from "../tensor/process-group.js";
import { requireDevice } from "../tensor/require-device.js";
import { loadCheckpoint, loadResumable } from "../weights/checkpoint.js";
import { audit } from "./audit.js";
import { describeEnvironment } from "./environment.js";
import { evaluationLoader } from "../training/evaluate.js";
import type { TrainEvent } from "./events.js";
import { loadOwnTricks } from "../tricks/own-trick.js";
import { startingWeights } from "../tricks/starting-weights.js";
import { selectFor } from "../tricks/trick.js";
import { goOn } from "./going-on.js";
import { Session, type Tell } from "./epochs.js";
import { turnedSize } from "./turned-size.js";
import { withRemarks } from "./remarks.js";
import { withIntensity } from "./intensity.js";
import { BUILDING, COMPARING, ENDING, MEASURING, OPENING, TRAINING, VALIDATING } from "./phases.js";
import type { Recipe } from "../recipe/recipe.js";
import { RunCheckpoints } from "./run-checkpoints.js";
import { RunFolder } from "./run-folder.js";
import { FolderLock } from "./run-lock.js";
import { parseRunState } from "./run-state.js";
import { keepTensorBoard } from "./tensorboard/run-scalars.js";
import { type SessionOptions, taskOf } from "./task.js";
import { Trainer } from "../training/trainer.js";
import { classesOf, dataDifferences } from "./trained-on.js";
import { trainingData, withCache } from "./training-data.js";
import { agreedPath, inGroup, requireAlike } from "./together.js";

/**
 * One training run in this thread, as a stream of events. It keeps the run folder: what is on disk is always a whole
 * checkpoint and the events up to it.
 *
 * @param shouldStop asked between steps, batches of a validation and pictures of a cache; when it says true, a checkpoint is written,
 *   where the last one is not of that step, and the stream ends with "interrupted"; it ends without an event where the run had not begun.
 */
export async function* runSession(
  options: SessionOptions,
  shouldStop: () => boolean,
  tell: Tell = () => {},
): AsyncGenerator<TrainEvent> {
  const { processes } = options;
  tell(OPENING);
  if (!processes) return yield* run(options, shouldStop, tell, undefined);
  yield* inGroup(processes, shouldStop, (group) => {
    const say = (doing: Doing) => {
      group.busy = ![TRAINING, VALIDATING.what].includes(doing.what);
      tell(doing);
    };
    return run(options, shouldStop, say, group);
  });
}

/** @param group the processes that train together, where this is one of several */
async function* run(
  options: SessionOptions,
  shouldStop: () => boolean,
  tell: Tell,
  group: ProcessGroup | undefined,
): AsyncGenerator<TrainEvent> {
  const isFirst = !group || group.rank === 0;
  requireDevice(options.device);
  const resumed = "resume" in options ? RunFolder.open(options.resume) : undefined;
  // Before anything of it is read: somebody else may be writing it.
  using lock = resumed && isFirst ? FolderLock.take(resumed.path) : undefined;
  const task = taskOf(options);
  const { recipe: wanted, source, selection, out, numbered, cache, engine, checkpoints, repeats, syncBatchNorm } = task;
  makeDeterministic(engine.reproducible === true);
  const looked = { cache, intensity: wanted.intensity ?? undefined, begin: () => tell(COMPARING), shouldStop };
  const found = typeof source === "string" ? await openGrouped(source, selection, looked) : source;
  if (found === undefined) return;
  const opened = await withRemarks(found, shouldStop);
  // A resumed run goes on from its own checkpoint: the weights it began with may be gone.
  const ownTricks = await loadOwnTricks(wanted.tricks);
  const startsFrom = resumed ? undefined : startingWeights(wanted, ownTricks);
  const last = resumed && loadResumable(resumed.lastCheckpoint);
  if (last?.insteadOf !== undefined) yield { type: "warning", message: last.insteadOf };
  if (lock?.killedForMemory) yield { type: "warning", message: killedForMemory(wanted), lackOfMemory: true };
  const classes = await classesOf(opened);
  const select = selectFor(wanted, opened.train);
  const gone =
    last &&
    resumed &&
    goOn(resumed.path, parseRunState(last.state, resumed.lastCheckpoint), {
      recipe: { ...wanted, select },
      images: opened.train.count,
      data: dataDifferences(resumed.readData().classes ?? classes, classes),
      allowChanges: "allowChanges" in options && options.allowChanges === true,
      ownTricks,
    });
  const asked = await withIntensity(wanted, opened, (last ?? startsFrom)?.config, shouldStop);
  const data = await withCache(trainingData(opened, asked, (last ?? startsFrom)?.config), cache, shouldStop);
  if (group) {
    const { choices: _, ...of } = engine;
    requireAlike(group, { recipe: asked, classes, options: { ...of, syncBatchNorm, from: last?.config.knack } });
  }
  if (!resumed) yield* turnedSize(data.train);
  tell(BUILDING);
  const earlier = last ?? (repeats === undefined ? undefined : loadCheckpoint(repeats));
  const choices = new ConvolutionChoices(earlier?.convolutions, () => tell(MEASURING));
  const recipe = {
    ...(gone?.recipe ?? asked),
    ...{ intensity: asked.intensity, select },
    model: formForImages(asked.model, data.train.height, data.train.width),
  };
  // Those of an earlier run are what its checkpoint says: defaults may have changed since.
  const modelOptions = last?.config.model_options ?? recipe.modelOptions;
  const trainer = new Trainer({ ...recipe, modelOptions }, data, {
    device: options.device,
    startsFrom,
    engine: { ...engine, choices },
    ownTricks,
    together: group && { group, syncBatchNorm },
  });
  const loaders: Loader[] = [];
  try {
    const { batchSize, augmentation, seed, onBadImage, maxBadImages } = recipe;
    const [{ sampling }, { train }] = [trainer, data];
    const workers = options.workers ?? kindOf(data.train).defaultWorkers();
    const badPictures = new BadPictures(train.name, train.count + data.validation.count, onBadImage, maxBadImages);
    const { rank = 0, size = 1 } = group ?? {};
    const division = group && { rank, size, parts: recipe.accumulation };
    const training = new Loader(train, { batchSize, augmentation, seed, badPictures, sampling, workers, division });
    loaders.push(training);
    const validation = evaluationLoader(data.validation, { badPictures, workers, division });
    loaders.push(validation);
    const tricks = audit(trainer, out);
    const made = isFirst ? (resumed ?? (numbered ? RunFolder.createNext(out) : RunFolder.create(out))) : undefined;
    using _ = lock || !made ? undefined : FolderLock.take(made.path);
    const path = group && agreedPath(group, made?.path ?? out);
    const run = made ?? RunFolder.writtenByOther(path ?? out);
    const isMoved = resumed && "data" in options && typeof options.data === "string";
    if (!resumed || gone?.event || isMoved) {
      run.writeJson("recipe.json", recipe);
      const place = typeof source === "string" ? source : null;
      const { held: _, ...said } = selection ?? {};
      run.writeJson("data.json", { source: place, ...said, description: data.description, cache, classes });
      const held = ("kind" in opened && opened.held) || {};
      for (const [part, names] of Object.entries(held)) if (names) run.writeJson(`${part}.json`, names);
    }
    if (options.tensorboard && run.isOwn) keepTensorBoard(run.path);
    const shared = group && { processes: group.size, syncBatchNorm };
    run.writeJson("environment.json", { ...describeEnvironment(), ...engine, checkpoints, ...shared });
    const saved = new RunCheckpoints({ trainer, recipe, run, policy: checkpoints, tell });
    const session = new Session(trainer, { training, validation, workers, test: opened.test }, run, saved, {
      shouldStop,
      tell,
      group,
    });
    yield* session.events({ ...tricks, run: run.path }, last && { ...last, ...gone });
  } finally {
    tell(ENDING);
    await Promise.all(loaders.map((loader) => loader.close()));
    trainer.dispose();
  }
}

function killedForMemory({ batchSize }: Recipe): string {
  return `the process that trained this run before, with batches of ${batchSize}, was killed, most likely because memory ran out`;
}
