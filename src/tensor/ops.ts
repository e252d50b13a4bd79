/**
 * The ATen operators knack uses, typed. Shapes follow PyTorch: images are [N, C, H, W]. Every function throws an Error that
 * names the operator and the shapes where libtorch refuses the arguments.
 */
import type { DType } from "./dtype.js";
import type { Generator } from "./generator.js";
import { inPlaceOperator, operator, tensorOperator } from "./operator.js";
import { scope } from "./scope.js";
import type { Tensor } from "./tensor.js";

type Pair = number | readonly [number, number];

// Layers

const aten_conv2d = tensorOperator("aten::conv2d");
/** @param weight [out, in / groups, kH, kW] */
export function conv2d(
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  options: { stride?: Pair; padding?: Pair; dilation?: Pair; groups?: number } = {},
): Tensor {
  const { stride, padding, dilation, groups } = options;
  return rounded(input, (as) =>
    aten_conv2d(as(input), as(weight), bias && as(bias), stride, padding, dilation, groups),
  );
}

let bfloat16: boolean | undefined;
/** Whether libtorch convolves and multiplies in bf16 on this processor's CPU: oneDNN does from AVX-512 on. */
export function hasBfloat16(): boolean {
  bfloat16 ??= scope(() => {
    try {
      aten_conv2d(full([1, 1, 4, 4], 1, "bfloat16"), full([1, 1, 3, 3], 1, "bfloat16"), null, 1, 0, 1, 1);
      return true;
    } catch {
      return false;
    }
  });
  return bfloat16;
}

/** Where there is no bf16, sums of bf16 numbers in float32, rounded to bf16: what it would compute. */
function rounded(input: Tensor, compute: (as: (tensor: Tensor) => Tensor) => Tensor): Tensor {
  if (input.dtype !== "bfloat16" || input.device !== "cpu" || hasBfloat16()) return compute((tensor) => tensor);
  return scope(() =>
    toDType(
      compute((tensor) => toDType(tensor, "float32")),
      "bfloat16",
    ),
  );
}

const aten_batch_norm = tensorOperator("aten::batch_norm");
/** Normalises each channel; in training by the batch's statistics, which it also folds into the running ones, in place. */
export function batchNorm(
  input: Tensor,
  weight: Tensor,
  bias: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  options: { training: boolean; momentum: number; eps: number },
): Tensor {
  const { training, momentum, eps } = options;
  return aten_batch_norm(input, weight, bias, runningMean, runningVariance, training, momentum, eps, true);
}

const aten_linear = tensorOperator("aten::linear");
/** input [N, in] x weight [out, in] + bias [out] -> [N, out] */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  return rounded(input, (as) => aten_linear(as(input), as(weight), bias && as(bias)));
}

export const relu: (input: Tensor) => Tensor = tensorOperator("aten::relu");
export const reluInPlace: (input: Tensor) => Tensor = inPlaceOperator("aten::relu_");
/** Every element brought into [lowest, highest]. */
export const clamp: (input: Tensor, lowest: number, highest: number) => Tensor = tensorOperator("aten::clamp");

const aten_max_pool2d = tensorOperator("aten::max_pool2d");
export function maxPool2d(input: Tensor, kernel: number, stride: number, padding: number): Tensor {
  return aten_max_pool2d(input, kernel, stride, padding);
}

const aten_avg_pool2d = tensorOperator("aten::avg_pool2d");
export function avgPool2d(
  input: Tensor,
  kernel: number,
  stride: number,
  options: { padding?: number; ceilMode?: boolean; countIncludePad?: boolean } = {},
): Tensor {
  return aten_avg_pool2d(input, kernel, stride, options.padding, options.ceilMode, options.countIncludePad);
}

const aten_constant_pad_nd = tensorOperator("aten::constant_pad_nd");
/** Zeros around images, and before and after their channels. */
export function padZeros(
  input: Tensor,
  margins: { top?: number; bottom?: number; left?: number; right?: number; before?: number; after?: number },
): Tensor {
  const { top = 0, bottom = 0, left = 0, right = 0, before = 0, after = 0 } = margins;
  return aten_constant_pad_nd(input, [left, right, top, bottom, before, after], 0);
}

// Arithmetic

const aten_add = tensorOperator("aten::add", "Tensor");
/** a + alpha b */
export function add(a: Tensor, b: Tensor, alpha = 1): Tensor {
  return aten_add(a, b, alpha);
}

const aten_add_in_place = inPlaceOperator("aten::add_", "Tensor");
/** a <- a + alpha b */
export function addInPlace(a: Tensor, b: Tensor, alpha = 1): Tensor {
  return aten_add_in_place(a, b, alpha);
}

const aten_add_scalar = tensorOperator("aten::add", "Scalar");
export function addScalar(a: Tensor, value: number): Tensor {
  return aten_add_scalar(a, value);
}

const aten_sub = tensorOperator("aten::sub", "Tensor");
export function sub(a: Tensor, b: Tensor): Tensor {
  return aten_sub(a, b);
}

export const mul: (a: Tensor, b: Tensor) => Tensor = tensorOperator("aten::mul", "Tensor");
export const mulScalar: (a: Tensor, value: number) => Tensor = tensorOperator("aten::mul", "Scalar");
export const mulScalarInPlace: (a: Tensor, value: number) => Tensor = inPlaceOperator("aten::mul_", "Scalar");
export const div: (a: Tensor, b: Tensor) => Tensor = tensorOperator("aten::div", "Tensor");

const aten_mean = tensorOperator("aten::mean", "dim");
export function mean(input: Tensor, dims: readonly number[], keepDims = false): Tensor {
  return aten_mean(input, dims, keepDims);
}

const aten_sum = tensorOperator("aten::sum", "dim_IntList");
export function sum(input: Tensor, dims: readonly number[], keepDims = false): Tensor {
  return aten_sum(input, dims, keepDims);
}

export const sumAll: (input: Tensor) => Tensor = tensorOperator("aten::sum");

// Classification

export const softmax: (input: Tensor, dim: number) => Tensor = tensorOperator("aten::softmax", "int");
export const logSoftmax: (input: Tensor, dim: number) => Tensor = tensorOperator("aten::log_softmax", "int");

const aten_cross_entropy_loss = tensorOperator("aten::cross_entropy_loss");
/** Mean over the batch of -sum_k target_k log softmax(logits)_k; target is a distribution [N, K] or class indices [N] (int64). */
export function crossEntropy(logits: Tensor, target: Tensor): Tensor {
  return aten_cross_entropy_loss(logits, target);
}

export const sigmoid: (input: Tensor) => Tensor = tensorOperator("aten::sigmoid");
/** ln of the sigmoid, exact also where that is near 0. */
export const logSigmoid: (input: Tensor) => Tensor = tensorOperator("aten::log_sigmoid");
export const log: (input: Tensor) => Tensor = tensorOperator("aten::log");
export const powScalar: (input: Tensor, exponent: number) => Tensor = tensorOperator("aten::pow", "Tensor_Scalar");

const aten_binary_cross_entropy_with_logits = tensorOperator("aten::binary_cross_entropy_with_logits");
const SUM = 2;
/** Mean over the batch of -sum_k [t_k log p_k + (1 - t_k) log(1 - p_k)], p_k the sigmoid of the logit; target in [0, 1], [N, K]. */
export function binaryCrossEntropy(logits: Tensor, target: Tensor): Tensor {
  using sum = aten_binary_cross_entropy_with_logits(logits, target, null, null, SUM);
  return mulScalar(sum, 1 / (logits.shape[0] ?? 1));
}

const aten_sort = operator("aten::sort", "stable");
/** Positions (int64) along the last dimension in the order of their values: the highest first, NaN before it, of equal ones the earlier first. */
export function descendingOrder(input: Tensor): Tensor {
  const [values, indices] = aten_sort(input, true, -1, true) as [Tensor, Tensor];
  values.dispose();
  return indices;
}

const aten_scatter = inPlaceOperator("aten::scatter_", "value");
/** input[n, index[n, j]] <- value */
export function scatterValueInPlace(input: Tensor, dim: number, index: Tensor, value: number): Tensor {
  return aten_scatter(input, dim, index, value);
}

const aten_gather = tensorOperator("aten::gather");
/** output[n, j] = input[n, index[n, j]] */
export function gather(input: Tensor, dim: number, index: Tensor): Tensor {
  return aten_gather(input, dim, index);
}

export const equal: (a: Tensor, b: Tensor) => Tensor = tensorOperator("aten::eq", "Tensor");
export const finite: (input: Tensor) => Tensor = tensorOperator("aten::isfinite");
export const all: (input: Tensor) => Tensor = tensorOperator("aten::all");

// Shape and order

const aten_cat = tensorOperator("aten::cat");
/** Tensors one after another along a dimension; they agree in all others. */
export function concatenate(tensors: readonly Tensor[], dim: number): Tensor {
  return aten_cat(tensors, dim);
}

export const flatten: (input: Tensor, startDim: number) => Tensor = tensorOperator("aten::flatten", "using_ints");
export const reshape: (input: Tensor, shape: readonly number[]) => Tensor = tensorOperator("aten::reshape");
export const permute: (input: Tensor, dims: readonly number[]) => Tensor = tensorOperator("aten::permute");
export const unsqueeze: (input: Tensor, dim: number) => Tensor = tensorOperator("aten::unsqueeze");
export const flip: (input: Tensor, dims: readonly number[]) => Tensor = tensorOperator("aten::flip");
export const roll: (input: Tensor, shifts: readonly number[], dims: readonly number[]) => Tensor =
  tensorOperator("aten::roll");
export const indexSelect: (input: Tensor, dim: number, index: Tensor) => Tensor = tensorOperator("aten::index_select");

const aten_narrow = tensorOperator("aten::narrow");
/** A view of `length` entries of a dimension from `start` on. */
export function narrow(input: Tensor, dim: number, start: number, length: number): Tensor {
  return aten_narrow(input, dim, start, length);
}

// Memory

const aten_to_dtype = tensorOperator("aten::to", "dtype");
/** The same tensor in another dtype; shares memory where the dtype is already right. */
export function toDType(input: Tensor, dtype: DType): Tensor {
  return aten_to_dtype(input, dtype);
}

const aten_to_device = tensorOperator("aten::to", "device");
/** The same tensor on a device ("cpu", "cuda:0"), in a dtype; shares memory where both are already right. */
export function toDevice(input: Tensor, device: string, dtype: DType = input.dtype): Tensor {
  // A device takes its copy in order; the CPU must wait until what it asked for is there.
  return aten_to_device(input, device, dtype, device !== "cpu");
}

const aten_contiguous = tensorOperator("aten::contiguous");
export function contiguous(input: Tensor, format: "contiguous" | "channels_last" = "contiguous"): Tensor {
  return aten_contiguous(input, format);
}

const aten_empty = tensorOperator("aten::empty", "memory_format");
const aten_fill = inPlaceOperator("aten::fill_", "Scalar");
/** A new tensor filled with one value. */
export function full(shape: readonly number[], value: number, dtype: DType = "float32", device = "cpu"): Tensor {
  return aten_fill(aten_empty(shape, dtype, undefined, device), value);
}

/** A tensor of the same shape, dtype, device and memory layout, whose elements are anything. */
export const emptyLike: (input: Tensor) => Tensor = tensorOperator("aten::empty_like");
export const clone: (input: Tensor) => Tensor = tensorOperator("aten::clone");
/** The same memory, outside the autograd graph. */
export const detach: (input: Tensor) => Tensor = tensorOperator("aten::detach");

const aten_copy = inPlaceOperator("aten::copy_");
/** self <- source, converting dtype and device. */
export function copyInPlace(self: Tensor, source: Tensor): Tensor {
  return aten_copy(self, source);
}

export const fillInPlace: (self: Tensor, value: number) => Tensor = aten_fill;
export const requireGradient: (self: Tensor, required: boolean) => Tensor = inPlaceOperator("aten::requires_grad_");

const aten_set_data = operator("aten::set_data");
/** Gives a leaf other contents (also of another dtype, device or format) while it stays the same leaf. */
export function setData(self: Tensor, data: Tensor): void {
  aten_set_data(self, data);
}

// Random numbers

const aten_uniform = inPlaceOperator("aten::uniform_");
export function uniformInPlace(self: Tensor, from: number, to: number, generator: Generator): Tensor {
  return aten_uniform(self, from, to, generator);
}

const aten_normal = inPlaceOperator("aten::normal_");
export function normalInPlace(self: Tensor, mean: number, deviation: number, generator: Generator): Tensor {
  return aten_normal(self, mean, deviation, generator);
}

const aten_bernoulli = inPlaceOperator("aten::bernoulli_", "float");
/** self <- 1 with this probability, else 0, each element on its own. */
export function bernoulliInPlace(self: Tensor, probability: number, generator: Generator): Tensor {
  return aten_bernoulli(self, probability, generator);
}

const aten_randperm = tensorOperator("aten::randperm", "generator");
/** A random permutation of 0 … n-1, int64, on the CPU. */
export function randomPermutation(n: number, generator: Generator): Tensor {
  return aten_randperm(n, generator);
}

const aten_sample_dirichlet = tensorOperator("aten::_sample_dirichlet");
/** One draw of Dirichlet(concentration) for each row of `concentration`. */
export function sampleDirichlet(concentration: Tensor, generator: Generator): Tensor {
  return aten_sample_dirichlet(concentration, generator);
}

// Many tensors at once

const aten_foreach_add_list = operator("aten::_foreach_add_", "List");
/** a[i] <- a[i] + alpha b[i] */
export function addEachInPlace(a: readonly Tensor[], b: readonly Tensor[], alpha = 1): void {
  if (a.length > 0) aten_foreach_add_list(a, b, alpha);
}

const aten_foreach_mul_scalar = operator("aten::_foreach_mul_", "Scalar");
/** a[i] <- value a[i] */
export function scaleEachInPlace(a: readonly Tensor[], value: number): void {
  if (a.length > 0) aten_foreach_mul_scalar(a, value);
}

const aten_foreach_mul = operator("aten::_foreach_mul", "Scalar");
/** value a[i] */
export function mulEach(a: readonly Tensor[], value: number): Tensor[] {
  return a.length > 0 ? (aten_foreach_mul(a, value) as Tensor[]) : [];
}

const aten_foreach_norm = operator("aten::_foreach_norm", "Scalar");
/** The square root of the sum of a[i]'s squares, a scalar of its dtype. */
export function normEach(a: readonly Tensor[]): Tensor[] {
  return a.length > 0 ? (aten_foreach_norm(a) as Tensor[]) : [];
}

/** 1 in the column of each label, 0 elsewhere. @param labels [N] int64. @returns [N, classes] float32 on the labels' device */
export function oneHot(labels: Tensor, classes: number): Tensor {
  return scope(() => {
    const zeros = full([labels.shape[0] ?? 0, classes], 0, "float32", labels.device);
    return scatterValueInPlace(zeros, 1, unsqueeze(labels, 1), 1);
  });
}
