/** How pictures lie in an ONNX input: channel after channel. */

/**
 * [N, H, W, C] to [N, C, H, W], each byte through its channel's table.
 *
 * @param target of the same size; what lies behind the pictures stays
 * @param tables 256 values a channel
 */
export function intoPlanes<T extends Float32Array | Uint8Array>(
  target: T,
  pixels: Uint8Array,
  area: number,
  tables: readonly ArrayLike<number>[],
): T {
  const channels = tables.length;
  for (const [c, table] of tables.entries()) {
    for (let i = c; i < pixels.length; i += channels) {
      const pixel = Math.floor(i / channels);
      const image = Math.floor(pixel / area);
      target[(image * channels + c) * area + (pixel - image * area)] = table[pixels[i] ?? 0] ?? 0;
    }
  }
  return target;
}

/** (byte / 255 - mean) / std, for each channel. */
export function normalisingTables(mean: readonly number[], std: readonly number[]): Float32Array[] {
  return mean.map((m, c) => Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - m) / (std[c] ?? 1)));
}

/** The bytes as they are, for each channel. */
export function plainTables(channels: number): Uint8Array[] {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  return Array.from({ length: channels }, () => bytes);
}
