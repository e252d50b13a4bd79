// Batch normalisation over the batches of several processes, in the arithmetic of libtorch's own on CPUs: sums in double, all else in float.
#include <torch/csrc/autograd/custom_function.h>

#include "group.h"

namespace knack {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor channelSums(const at::Tensor& tensor) { return tensor.sum({0, 2, 3}, false, at::kDouble); }

at::Tensor alongChannels(const at::Tensor& tensor) { return tensor.reshape({1, -1, 1, 1}); }

struct BatchNorm : torch::autograd::Function<BatchNorm> {
  static variable_list forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& weight,
                               const at::Tensor& bias, int64_t values, double eps) {
    const at::Tensor mean = summed(channelSums(input)) / values;
    const at::Tensor squares = (input - alongChannels(mean)).square_();  // float64, as the mean is no scalar
    const at::Tensor variance = summed(channelSums(squares)) / values;
    const at::Tensor mean32 = mean.to(input.scalar_type());
    const at::Tensor variance32 = variance.to(input.scalar_type());
    const at::Tensor inverse = (variance + eps).rsqrt_().to(input.scalar_type());
    context->save_for_backward({input, weight, mean32, inverse});
    context->saved_data["values"] = values;
    const at::Tensor output = at::batch_norm(input, weight, bias, mean32, variance32, false, 0, eps, false);
    context->mark_non_differentiable({mean32, variance32});
    return {output, mean32, variance32};
  }

  // dL/dx = gamma / sigma (dL/dy - mean(dL/dy) - x^ mean(dL/dy x^)), the means over all processes; gamma's and beta's gradients are added up with all
  // others.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3];
    const int64_t values = context->saved_data["values"].toInt();
    const at::Tensor& gradient = gradients[0];
    const at::Tensor centred = input - alongChannels(mean);
    const at::Tensor own = at::stack({channelSums(gradient), channelSums(gradient * centred)});
    const at::Tensor all = summed(own) / values;
    const at::Tensor meanGradient = all[0].to(input.scalar_type());
    const at::Tensor slope = (all[1] * inverse.square()).to(input.scalar_type());
    const at::Tensor toInput = gradient.sub(alongChannels(meanGradient))
                                   .addcmul_(centred, alongChannels(slope), -1)
                                   .mul_(alongChannels(inverse * weight));
    const at::Tensor toWeight = (own[1] * inverse).to(weight.scalar_type());
    return {toInput, toWeight, own[0].to(weight.scalar_type()), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> synchronisedBatchNorm(const at::Tensor& input, const at::Tensor& weight,
                                                                     const at::Tensor& bias, int64_t values,
                                                                     double eps) {
  const variable_list results = BatchNorm::apply(input, weight, bias, values, eps);
  return {results[0], results[1], results[2]};
}

}  // namespace knack
