import { imageNetResNet } from "../ablation/tables/resnet-names.js";
import { ResNet } from "../models/families/resnet.js";
import { touched, trick, untouched } from "./trick.js";

/** The stem and shortcut forms of the ImageNet ResNets, B, C and D (section 4): which of them is trained is the recipe's `model` to say. */
export const modelTweaks = trick({
  name: "model-tweaks",
  section: "4",
  summary: "ResNet-B, C, D",
  group: "tricks",
  switches: [],
  shape: {},
  off: {},
  paper: {},
  start: (_, run) => ({
    touched: () => {
      const { model } = run;
      if (!(model instanceof ResNet)) {
        return untouched("the tweaks are of the ImageNet ResNets, which this model is not");
      }
      const { variant, depth, small } = model.options;
      const stem = variant === "c" || variant === "d" ? "three 3x3 convolutions" : small ? "one 3x3" : "one 7x7";
      const shortcut = variant === "d" ? "2x2 average pool, then 1x1" : "1x1 of stride 2";
      const path = depth >= 50 ? `stride 2 in the ${variant === "v1" ? "first 1x1" : "3x3"}, ` : "";
      const detail = `ResNet-${variant.toUpperCase()}: ${path}stem ${stem}, shortcut ${shortcut}`;
      const changed = variant === "c" || variant === "d" || (variant === "b" && depth >= 50);
      return changed ? touched(1, detail) : untouched(detail);
    },
  }),
  asSwitch: {
    isOn: (_, { model }) => {
      const resNet = imageNetResNet(model);
      return resNet !== undefined && resNet.variant !== "v1" && !(resNet.variant === "b" && resNet.depth < 50);
    },
    on: ({ model }) => ({ model: imageNetResNet(model)?.as("d") ?? model }),
    off: (_, { model }) => ({ model: imageNetResNet(model)?.as("v1") ?? model }),
  },
  idle: (_, { model }) => (imageNetResNet(model) ? undefined : `${model} is none of ImageNet's ResNets`),
});
