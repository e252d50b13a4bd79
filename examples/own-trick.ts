/**
 * A trick of one's own, in the recipe that uses it:
 *
 *     npx knack train fashion-mnist --recipe examples/own-trick.ts
 *
 * The trick is the confidence penalty of Pereyra et al. 2017 (arXiv 1701.06548): a network that is too sure of itself pays for it,
 *
 *     loss - strength * H(p),    H(p) = -sum_k p_k log p_k,    p = softmax(z).
 *
 * It is checked, audited, saved in the run's recipe by name and file, and resumed as knack's own tricks are. Whether it pays:
 *
 *     npx knack ablate fashion-mnist --recipe examples/own-trick.ts --table examples/own-trick-table.ts
 */
import { defineTrick, ops, type RecipeInput, settings } from "knack";

export const confidencePenalty = defineTrick({
  name: "confidence-penalty",
  module: import.meta.url,
  settings: { strength: settings.aboveZero },
  defaults: { strength: 0.1 },
  start: ({ strength }, run) => ({
    loss: (loss, { logits }) => {
      const entropy = ops.crossEntropy(logits, ops.softmax(logits, 1)); // of p against itself, mean over the batch
      return ops.add(loss, entropy, -strength);
    },
    touched: () => ({
      asked: true,
      count: run.schedule.totalSteps,
      detail: `loss - ${strength} x the entropy of what the network says`,
    }),
  }),
});

const recipe: RecipeInput = {
  model: "resnet20",
  epochs: 2,
  batchSize: 128,
  lr: 0.1,
  schedule: { type: "cosine" },
  warmup: { epochs: 0.25 },
  noBiasDecay: true,
  tricks: [confidencePenalty({ strength: 0.2 })],
};

export default recipe;
