/** The thread that evaluates a fold's run: it blocks it for seconds, so that the thread that asked stays free. */
import { serveStream, type ThreadSide } from "../base/thread-stream.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { Stopped } from "../run/until-stop.js";
import { type FoldPredictions, predictFold } from "./fold-predictions.js";

export interface PredictTask {
  readonly folder: string;
  readonly place: EvaluationPlace;
}

/** Nothing, where it is stopped. */
async function* predicted({ folder, place }: PredictTask, { shouldStop }: ThreadSide): AsyncGenerator<FoldPredictions> {
  try {
    yield await predictFold(folder, place, () => {
      if (shouldStop()) throw new Stopped();
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
}

await serveStream(predicted);
