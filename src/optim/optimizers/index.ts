/** All optimizers. The recipe's key `optimizer` names one; each brings its own keys. */
import { sgd } from "./sgd.js";

export const OPTIMIZERS = [sgd] as const;
