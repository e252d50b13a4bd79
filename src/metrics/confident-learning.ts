/**
 * Which labels are probably wrong: Northcutt, Jiang and Chuang, Confident Learning (JAIR 2021), with the choices of their library cleanlab: pictures
 * are pruned by noise rate (section 3.2, method 4) and ranked by the probability of their label, as its `find_label_issues` does.
 */

/** Labels, and what a network says of images that it has not seen. */
export interface Labelled {
  readonly labels: ArrayLike<number>;
  /** Of each image, the probability of each class. */
  readonly probabilities: readonly (readonly number[])[];
  readonly classes: number;
}

/** cleanlab's: by so much probabilities may differ and be equal. */
const EQUAL = 1e-6;

/** The images whose label is probably wrong, the least likely label first. */
export function labelIssues(given: Labelled): number[] {
  const { labels, probabilities, classes } = given;
  const joint = confidentJoint(given);
  const ofClass = Array.from({ length: classes }, (): number[] => []);
  for (let image = 0; image < labels.length; image++) ofClass[labels[image] as number]?.push(image);
  const of = (image: number, label: number) => probabilities[image]?.[label] ?? 0;
  const issues = new Set<number>();
  for (const [label, images] of ofClass.entries()) {
    if (images.length <= 1) continue;
    for (const [other, count] of toPrune(joint[label] as number[], label).entries()) {
      const margin = (image: number) => of(image, other) - of(image, label);
      const ranked = images.toSorted((a, b) => margin(b) - margin(a));
      for (const image of ranked.slice(0, count)) issues.add(image);
    }
  }
  const quality = (image: number) => of(image, labels[image] as number);
  const predictedOtherwise = (image: number) => {
    const own = quality(image) + EQUAL;
    const label = labels[image] as number;
    return probabilities[image]?.some((value, at) => (at < label ? value >= own : value > own)) === true;
  };
  return [...issues]
    .filter(predictedOtherwise)
    .sort((a, b) => a - b)
    .sort((a, b) => quality(a) - quality(b));
}

/**
 * The confident joint (section 3.1), made to count the images of each label: how many images labelled [label] are of [class], where each image counts for the class of
 * which it is at least as probable as images with that label are on average.
 */
function confidentJoint({ labels, probabilities, classes }: Labelled): number[][] {
  const counts = new Array<number>(classes).fill(0);
  const sums = new Array<number>(classes).fill(0);
  for (const [image, row] of probabilities.entries()) {
    const label = labels[image] as number;
    counts[label] = (counts[label] as number) + 1;
    sums[label] = (sums[label] as number) + (row[label] as number);
  }
  const thresholds = sums.map((sum, label) => {
    const count = counts[label] as number;
    return count === 0 ? Number.POSITIVE_INFINITY : Math.max(sum / count, 2 * EQUAL);
  });
  const joint = counts.map(() => new Array<number>(classes).fill(0));
  for (const [image, row] of probabilities.entries()) {
    const confident = row.flatMap((value, label) => (value >= (thresholds[label] as number) - EQUAL ? [label] : []));
    const guess = confident.length > 1 ? row.indexOf(row.reduce((a, b) => Math.max(a, b))) : confident[0];
    if (guess === undefined) continue;
    const own = joint[labels[image] as number] as number[];
    own[guess] = (own[guess] as number) + 1;
  }
  return joint.map((row, label) => {
    row[label] = Math.max(1, row[label] as number);
    const sum = total(row);
    return roundedToSum(row.map((count) => (count / sum) * (counts[label] as number)));
  });
}

/** How many of a label's images go as being of each other class; one at least stays. */
function toPrune(joint: readonly number[], label: number): number[] {
  const lacking = Math.max(0, 1 - (joint[label] as number));
  const others = Math.max(1, joint.filter((count) => count !== 0).length - 1);
  return joint.map((count, other) => (other === label ? 0 : Math.trunc(Math.max(0, count - lacking / others))));
}

/** Whole numbers with the rounded sum of these: those that lost most by rounding become larger, or those that won most smaller. */
function roundedToSum(values: readonly number[]): number[] {
  const whole = values.map(roundHalfToEven);
  const wanted = roundHalfToEven(total(values));
  for (let lacking = wanted - total(whole); lacking !== 0; lacking = wanted - total(whole)) {
    const step = Math.sign(lacking);
    // Of equal ones the later classes are the ones to grow, and the earlier ones to shrink: what NumPy's sort does with few numbers.
    const order = [...values.keys()].sort((a, b) => lost(a) - lost(b));
    for (const at of (step > 0 ? order.reverse() : order).slice(0, Math.abs(lacking))) {
      whole[at] = (whole[at] as number) + step;
    }
  }
  return whole;

  function lost(at: number): number {
    return (values[at] as number) - (whole[at] as number);
  }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

/** As NumPy rounds. */
function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
