/**
 * Compares strings as Python does, by code points, for class indices that equal those of torchvision's ImageFolder. (`<` compares
 * UTF-16 units: it puts an emoji, two units from 0xD800 on, before the letters from U+E000 on.)
 */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Halves of surrogate pairs come last: they make the code points above all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
