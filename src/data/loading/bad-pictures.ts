import { InputError } from "../../base/errors.js";

/** Bad pictures beyond this share are no accident, unless somebody says so. */
const MOST_BAD = 0.05;

/** The photographs of a data source that could not be read so far: names and reasons. */
export class BadPictures extends Map<string, string> {
  /**
   * @param name of the source, for messages
   * @param count pictures in it
   * @param policy "skip" puts up with a share of them, "fail" with none
   * @param most that share
   */
  constructor(
    readonly name: string,
    readonly count: number,
    readonly policy: "skip" | "fail",
    private readonly most = MOST_BAD,
  ) {
    super();
  }

  /** @throws InputError where a picture may not be bad, or too many are. */
  note(bad: readonly (readonly [name: string, reason: string])[]): void {
    const [first] = bad;
    if (first && this.policy === "fail") {
      throw new InputError(`${this.name}: ${first[1]}; mend it, or use --on-bad-image skip`);
    }
    for (const [picture, reason] of bad) this.set(picture, reason);
    // One bad picture of few is no sign yet.
    const lone = this.most > 0 ? 1 : 0;
    if (this.size <= Math.max(lone, this.most * this.count)) return;
    const [[, reason] = ["", ""]] = this;
    throw new InputError(
      `${this.name}: ${this.size} of ${this.count} pictures cannot be read, more than ${percent(this.most)}, as: ${reason}; see knack data check and --max-bad-images`,
    );
  }
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
