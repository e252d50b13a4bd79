const TRAINING = ["train", "training"];
const TEST = ["test", "testing"];
/** The first of these that a data set has is what it is validated on. */
const VALIDATION = ["val", "valid", "validation", ...TEST];

/** The parts of a data set. */
export type Part = "train" | "validation" | "test";

/** What a folder, a shard or a row of a table of this name, in any case, is for; undefined where the name does not say it. */
export function partCalled(name: string): Part | undefined {
  const lower = name.toLowerCase();
  if (TRAINING.includes(lower)) return "train";
  if (TEST.includes(lower)) return "test";
  return VALIDATION.includes(lower) ? "validation" : undefined;
}

/** Whether a folder, a shard or a row of a table says by its name what it is for. */
export function isSplitName(name: string): boolean {
  return partCalled(name) !== undefined;
}

const LIKE_SPLIT =
  /^(.*[^a-z])?(train|training|val|valid|validation|dev|test|testing|eval|evaluation|hold[-_ ]?out|fold)([^a-z].*)?$/i;

/** Whether a name has the word of a split in it, also of those that knack does not look for: "dev", "seg_train", "fold1", "test-2". */
export function isLikeSplitName(name: string): boolean {
  return LIKE_SPLIT.test(name);
}

/** Names of splits among others. */
export interface SplitNames {
  readonly train: string | undefined;
  /** Where there is no "val", "test". */
  readonly validation: string | undefined;
  /** "test" beside a "val". */
  readonly test: string | undefined;
}

/** Which of these names stand for training, for validation and for a test. */
export function splitsAmong(names: readonly string[]): SplitNames {
  const first = (wanted: readonly string[]) =>
    wanted.map((word) => names.find((name) => name.toLowerCase() === word)).find((name) => name !== undefined);
  const [validation, test] = [first(VALIDATION), first(TEST)];
  return { train: first(TRAINING), validation, test: test === validation ? undefined : test };
}
