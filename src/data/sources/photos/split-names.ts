const TRAINING = ["train", "training"];
/** The first of these that a data set has is what it is validated on. */
const VALIDATION = ["val", "valid", "validation", "test", "testing"];

/** Whether a folder, a shard or a row of a table says by this name, in any case, what it is for. */
export function isSplitName(name: string): boolean {
  return [...TRAINING, ...VALIDATION].includes(name.toLowerCase());
}

const LIKE_SPLIT =
  /^(.*[^a-z])?(train|training|val|valid|validation|dev|test|testing|eval|evaluation|hold[-_ ]?out|fold)([^a-z].*)?$/i;

/** Whether a name has the word of a split in it, also of those that knack does not look for: "dev", "seg_train", "fold1", "test-2". */
export function isLikeSplitName(name: string): boolean {
  return LIKE_SPLIT.test(name);
}

/** Which of these names stand for training and for validation; "test" only where there is no "val". */
export function splitsAmong(names: readonly string[]): { train: string | undefined; validation: string | undefined } {
  const first = (wanted: readonly string[]) =>
    wanted.map((word) => names.find((name) => name.toLowerCase() === word)).find((name) => name !== undefined);
  return { train: first(TRAINING), validation: first(VALIDATION) };
}
