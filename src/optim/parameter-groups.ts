import type { Parameter } from "../nn/module.js";

/** Parameters by state dict name. */
export type NamedParameters = ReadonlyMap<string, Parameter>;

/** Parameters that an optimizer treats alike. */
export interface ParameterGroup {
  readonly parameters: NamedParameters;
  readonly weightDecay: number;
  /** What the learning rate is multiplied by for these. */
  readonly lrFactor: number;
}

/** Divides each group into the parameters that `belongs` is true of, which get these changes, and the others, as they were. */
export function divideGroups(
  groups: readonly ParameterGroup[],
  belongs: (parameter: Parameter) => boolean,
  changes: Partial<Omit<ParameterGroup, "parameters">>,
): ParameterGroup[] {
  const part = (group: ParameterGroup, wanted: boolean) =>
    new Map([...group.parameters].filter(([, parameter]) => belongs(parameter) === wanted));
  return groups
    .flatMap((group) => [
      { ...group, parameters: part(group, false) },
      { ...group, ...changes, parameters: part(group, true) },
    ])
    .filter(({ parameters }) => parameters.size > 0);
}
