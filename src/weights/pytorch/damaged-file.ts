import { InputError } from "../../base/errors.js";

/** The error for a damaged PyTorch file. */
export function damagedFile(path: string, what: string): InputError {
  return new InputError(`${path} cannot be read as a PyTorch file: ${what}`);
}
