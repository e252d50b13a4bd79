/** A run is to stop in the middle of something that it does again when it is resumed. */
export class Stopped extends Error {}

export async function* untilStop<T>(values: AsyncIterable<T>, shouldStop: () => boolean): AsyncGenerator<T> {
  if (shouldStop()) throw new Stopped();
  for await (const value of values) {
    yield value;
    if (shouldStop()) throw new Stopped();
  }
}
