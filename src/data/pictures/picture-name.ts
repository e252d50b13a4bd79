/** What the names of picture files end in. */
export const PICTURE_NAME = /\.(jpe?g|jfif|jpe|jif|pjpe?g|pjp|png|webp|avif|gif|tiff?)$/i;

/** A picture's name without the ending, in one form of Unicode: what lists of ids call it. */
export function pictureStem(name: string): string {
  return name.replace(PICTURE_NAME, "").normalize("NFC");
}
