/**
 * The name of a class as it is compared and kept: Unicode's NFC. Systems write letters with accents as one character or as two, which looks
 * the same, so a folder that was copied from one to another may have both.
 */
export function className(written: string): string {
  return written.normalize("NFC");
}
