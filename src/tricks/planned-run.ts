import type { CoreRecipe } from "../settings/core.js";
import type { Run } from "./trick.js";

/**
 * A run of which only the recipe is known, for what can be said before anything is built: its learning rate, and at which moments
 * tricks act.
 *
 * @param train the training images, where they are known too
 */
export function plannedRun(recipe: CoreRecipe, stepsPerEpoch: number, train?: Run["train"]): Run {
  const missing = (what: string): never => {
    throw new Error(`run.${what} is not there yet when \`start\` is called: read it inside of a moment`);
  };
  return {
    recipe,
    stepsPerEpoch,
    get train() {
      return train ?? missing("train");
    },
    device: "cpu",
    engine: { engine: "plain", winograd: false },
    precision: "fp32",
    startsFrom: undefined,
    get schedule() {
      return missing("schedule");
    },
    get model() {
      return missing("model");
    },
    get state() {
      return missing("state");
    },
  };
}
