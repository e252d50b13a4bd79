/** Distillation on examples small enough to work by hand. Its effect on training is test/training/parity.test.ts's. */
import { test } from "node:test";
import { backward, gradientOf } from "../../src/tensor/autograd.js";
import { requireGradient } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { distillationLoss } from "../../src/tricks/distillation.js";
import { near } from "../support/near.js";

test("distillation: T^2 l(softmax(r / T), softmax(z / T)), and the same gradient by KL", () => {
  scope(() => {
    const [teacher, T] = [[Math.log(3) * 2, 0], 2];
    // softmax(r / T) = (3/4, 1/4); z = 0 gives (1/2, 1/2): l = ln 2, KL = ln 2 - H(3/4, 1/4).
    const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
    const results = (["cross-entropy", "kl"] as const).map((loss) => {
      const student = requireGradient(Tensor.from([0, 0], [1, 2]), true);
      const value = distillationLoss(student, Tensor.from(teacher, [1, 2]), { temperature: T, loss });
      backward(value);
      return { value: value.item(), gradient: gradientOf(student)?.toArray() ?? [] };
    });
    near([results[0]?.value ?? 0, results[1]?.value ?? 0], [4 * Math.LN2, 4 * (Math.LN2 - entropy)], 1e-5);
    // d/dz of T^2 l = T (softmax(z / T) - softmax(r / T)) = 2 (-1/4, 1/4)
    for (const { gradient } of results) near(gradient, [-0.5, 0.5]);
  });
});
