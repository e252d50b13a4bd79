/** A run is to stop in the middle of something that it does again when it is resumed. */
export class Stopped extends Error {}

/** The same without an error: the values just end. */
export async function* endingAtStop<T>(values: AsyncIterable<T>, shouldStop: () => boolean): AsyncGenerator<T> {
  if (shouldStop()) return;
  for await (const value of values) {
    yield value;
    if (shouldStop()) return;
  }
}

export async function* untilStop<T>(values: AsyncIterable<T>, shouldStop: () => boolean): AsyncGenerator<T> {
  if (shouldStop()) throw new Stopped();
  for await (const value of values) {
    yield value;
    if (shouldStop()) throw new Stopped();
  }
}
