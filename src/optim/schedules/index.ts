/** All schedules: the recipe's key `schedule` names one by its type. */
import { cosine } from "./cosine.js";
import { stepDecay } from "./step-decay.js";

export const SCHEDULES = [stepDecay, cosine] as const;
