/** Turns lines of pixels round, left to right, in place; of pictures one after the other too. @param pixels [..., width, channels] */
export function mirror(pixels: Uint8Array, width: number, channels: number): Uint8Array {
  for (let start = 0; start < pixels.length; start += width * channels) {
    let right = start + (width - 1) * channels;
    for (let left = start; left < right; left += channels, right -= channels) {
      for (let c = 0; c < channels; c++) {
        const value = pixels[left + c] as number;
        pixels[left + c] = pixels[right + c] as number;
        pixels[right + c] = value;
      }
    }
  }
  return pixels;
}
