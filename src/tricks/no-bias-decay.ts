import { divideGroups, type ParameterGroup } from "../optim/parameter-groups.js";
import { flag } from "../settings/schema.js";
import { touched, trick, untouched } from "./trick.js";

/**
 * No bias decay (section 3.1): weight decay only on parameters whose role says so, as the weights of convolutions and fully
 * connected layers; every bias and every BN gamma and beta has none.
 */
export function noBiasDecayGroups(groups: readonly ParameterGroup[]): ParameterGroup[] {
  return divideGroups(groups, ({ role }) => !role.decays, { weightDecay: 0 });
}

export const noBiasDecay = trick({
  name: "no-bias-decay",
  section: "3.1",
  summary: "no weight decay on biases and batch norms",
  group: "tricks",
  switches: [
    { flags: "--bias-decay", help: "weight decay on all parameters", key: "noBiasDecay", value: false },
    {
      flags: "--no-bias-decay",
      help: "no weight decay on biases and batch norms (the trick)",
      key: "noBiasDecay",
      value: true,
    },
  ],
  shape: { noBiasDecay: flag },
  off: { noBiasDecay: false },
  paper: { noBiasDecay: true },
  start: ({ noBiasDecay }, run) => {
    const { weightDecay } = run.recipe;
    if (!noBiasDecay) {
      return {
        touched: () => untouched(`off: weight decay ${weightDecay} on all ${[...run.model.parameters()].length}`),
      };
    }
    let [decayed, undecayed] = [0, 0];
    return {
      grouped: (groups) => {
        const divided = noBiasDecayGroups(groups);
        const sizeOf = (some: readonly ParameterGroup[]) =>
          some.reduce((sum, { parameters }) => sum + parameters.size, 0);
        decayed = sizeOf(divided.filter((group) => group.weightDecay > 0));
        undecayed = sizeOf(divided) - decayed;
        return divided;
      },
      touched: () =>
        weightDecay === 0
          ? touched(0, "the weight decay is 0: give a --weight-decay or use --bias-decay")
          : touched(
              undecayed,
              `weight decay ${weightDecay} on ${decayed} weights, none on ${undecayed} biases, gammas and betas`,
            ),
    };
  },
  idle: (_, { weightDecay }) => (weightDecay === 0 ? "the weight decay is 0" : undefined),
});
