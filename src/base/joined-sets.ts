/** Numbers from 0 on that are joined pair by pair: which are together by now. */
export class JoinedSets {
  readonly #parents: Uint32Array;

  constructor(count: number) {
    this.#parents = Uint32Array.from({ length: count }, (_, index) => index);
  }

  join(a: number, b: number): void {
    const [one, other] = [this.firstOf(a), this.firstOf(b)];
    this.#parents[Math.max(one, other)] = Math.min(one, other);
  }

  /** The least number of those that are together with this one. */
  firstOf(number: number): number {
    const parents = this.#parents;
    let at = number;
    while (parents[at] !== at) {
      const above = parents[at] as number;
      parents[at] = parents[above] as number;
      at = parents[at] as number;
    }
    return at;
  }
}
