import assert from "node:assert/strict";
import { InputError } from "../../src/base/errors.js";

/** For `assert.throws` and the like: an InputError of one line that says this. */
export function inputError(message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"), error.message);
    return true;
  };
}
