import { InputError } from "../base/errors.js";
import type { PictureSource } from "../data/pictures/picture.js";
import { printable } from "../base/printable.js";
import type { Classified, Classifier, ClassifyOptions, Prediction } from "./classifier.js";

/**
 * What several classifiers say together: the mean of their probabilities, class by class by its name.
 *
 * @param classifiers of the same classes, in whatever order; the numbers of classes are the first one's
 * @throws InputError where their classes are not the same
 */
export async function* classifyTogether<Source extends PictureSource>(
  classifiers: readonly [Classifier, ...Classifier[]],
  images: readonly Source[],
  { top, ...options }: ClassifyOptions = {},
): AsyncGenerator<Classified<Source>, void, undefined> {
  const [first, ...others] = classifiers;
  for (const other of others) requireSameClasses(first, other);
  if (others.length === 0) {
    return yield* first.classifyAll(images, { ...options, ...(top !== undefined && { top }) });
  }
  const all = { ...options, top: first.classes.length };
  const running = others.map((classifier) => classifier.classifyAll(images, all));
  for await (const one of first.classifyAll(images, all)) {
    const said = await Promise.all(running.map(async (each) => (await each.next()).value as Classified<Source>));
    const failed = [one, ...said].find(({ error }) => error !== undefined);
    yield failed ?? { image: one.image, predictions: meanOf([one, ...said]).slice(0, top ?? 5), unknown: undefined };
  }
}

function requireSameClasses(first: Classifier, other: Classifier): void {
  const several = [first, other].find(({ severalLabels }) => severalLabels);
  if (several) {
    throw new InputError(
      `${several.path} is for several labels a picture, whose thresholds are its own: give it alone`,
    );
  }
  const lack = (of: Classifier, from: Classifier) => from.classes.find((name) => !of.classes.includes(name));
  const unnamed = [first, other].find(({ classes }) => classes.length === 0 || new Set(classes).size < classes.length);
  if (unnamed) {
    throw new InputError(`${unnamed.path} does not name its classes, or two alike: nobody can say which to average`);
  }
  const [missing, further] = [lack(other, first), lack(first, other)];
  if (missing === undefined && further === undefined) return;
  const [has, name] = missing === undefined ? [other, further as string] : [first, missing];
  const lacks = has === first ? other : first;
  throw new InputError(
    `${first.path} and ${other.path} are for other classes: ${printable(name)} is one of ${has.path}, and none of ${lacks.path}`,
  );
}

/** The likeliest first. */
function meanOf(said: readonly Classified[]): Prediction[] {
  const [first, ...others] = said.map(({ predictions = [] }) => predictions);
  const byName = others.map((predictions) => new Map(predictions.map((each) => [each.class, each.probability])));
  return (first ?? [])
    .map((each) => {
      const all = [each.probability, ...byName.map((of) => of.get(each.class) as number)];
      return { ...each, probability: all.reduce((sum, value) => sum + value, 0) / all.length };
    })
    .sort((a, b) => b.probability - a.probability);
}
