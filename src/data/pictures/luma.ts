/** Grey of RGB bytes, as Pillow's convert("L"). */
export function luma(rgb: Uint8Array): Uint8Array {
  const at = (i: number) => rgb[i] as number;
  return Uint8Array.from(
    { length: rgb.length / 3 },
    (_, i) => (at(3 * i) * 19595 + at(3 * i + 1) * 38470 + at(3 * i + 2) * 7471 + 0x8000) >> 16,
  );
}
