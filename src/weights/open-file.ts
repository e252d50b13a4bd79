import { constants } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { systemReason } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";

/** One read call of the system takes no more than this. */
const MAX_READ_BYTES = 2 ** 30;

/** A file of any size, of which only what is asked for is read. */
export class OpenFile implements Disposable {
  readonly path: string;
  readonly size: number;
  readonly #descriptor: number;

  /** @throws InputError where there is no such file, or it may not be read */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = this.#explained(() => {
      // Looked at first: to open a pipe waits for who writes it.
      if (!statSync(path).isFile()) throw new InputError(`cannot read ${path}: it is not a file`);
      return openSync(path, "r");
    });
    this.size = fstatSync(this.#descriptor).size;
  }

  /**
   * Bytes in a buffer of their own.
   *
   * @throws InputError where they are not all inside the file, are more than a buffer may have (4 GiB), or cannot be read
   */
  read(position: number, length: number): Buffer<ArrayBuffer> {
    if (position + length > this.size) {
      throw new InputError(`${this.path} is cut off: bytes up to ${position + length} are needed, it has ${this.size}`);
    }
    if (length > constants.MAX_LENGTH) {
      throw new InputError(`${this.path} has a piece of ${length} bytes, more than can be read at once`);
    }
    // Of its own: a small Buffer would be a part of a shared one, at any alignment.
    const bytes = this.#explained(() => Buffer.from(new ArrayBuffer(length)));
    let done = 0;
    while (done < length) {
      const wanted = Math.min(length - done, MAX_READ_BYTES);
      const got = this.#explained(() => readSync(this.#descriptor, bytes, done, wanted, position + done));
      if (got === 0) throw new InputError(`${this.path} became shorter while it was read`);
      done += got;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #explained<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`cannot read ${this.path}: ${systemReason(error)}`, error);
    }
  }
}
