import { Module, Parameter } from "./module.js";

/** A module whose output is its shortcut plus a path that ends in a normalisation. */
export interface ResidualBlock extends Module {
  /** The normalisation at the end of the path; its `weight` is the gamma that scales the path, [C]. */
  readonly lastNorm: Module & { readonly weight: Parameter };
}

/** Whether a module says that it is a residual block. */
export function isResidualBlock(module: Module): module is ResidualBlock {
  const { lastNorm } = module as Partial<ResidualBlock>;
  return lastNorm instanceof Module && lastNorm.weight instanceof Parameter;
}
