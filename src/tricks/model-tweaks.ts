import { MODELS } from "../models/registry.js";
import { touched, trick, untouched } from "./trick.js";

/** The stem and shortcut forms of the ImageNet ResNets, B, C and D (section 4): which of them is trained is the recipe's `model` to say. */
export const modelTweaks = trick({
  name: "model-tweaks",
  section: "4",
  summary: "ResNet-B, C, D: `--model resnet50`, `resnet50c`, `resnet50d`",
  group: "tricks",
  switches: [],
  shape: {},
  off: {},
  paper: {},
  start: (_, { recipe }) => ({
    touched: () => {
      const tweaks = MODELS.get(recipe.model)?.tweaks;
      if (!tweaks) return untouched("the tweaks are of the ImageNet ResNets, which this model is not");
      return tweaks.changed ? touched(1, tweaks.detail) : untouched(tweaks.detail);
    },
  }),
  asSwitch: {
    isOn: (_, { model }) => MODELS.get(model)?.tweaks?.changed === true,
    on: ({ model }) => ({ model: MODELS.get(model)?.tweaks?.names.d ?? model }),
    off: (_, { model }) => ({ model: MODELS.get(model)?.tweaks?.names.v1 ?? model }),
  },
  idle: (_, { model }) => (MODELS.get(model)?.tweaks ? undefined : `${model} is none of ImageNet's ResNets`),
});
