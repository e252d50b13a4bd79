// oneDNN 2 and 3 from one source: what they have under different names, and how descriptions of primitives are made.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace knack::cpu {

using dnnl::memory;

constexpr bool kIsOneDnn3 = DNNL_VERSION_MAJOR >= 3;

// @param shape what oneDNN 2 puts into the primitive's `desc`: the kind or algorithm, layouts, sizes
// @throws dnnl::error where there is no such primitive
template <typename Primitive, typename... Shape>
typename Primitive::primitive_desc described(const dnnl::engine& engine, const dnnl::primitive_attr& attributes, const Shape&... shape) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, shape..., attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(shape...), attributes, engine);
#endif
}

// The same of a backward pass.
// @param forward a forward pass's description, which oneDNN wants to see
template <typename Primitive, typename Forward, typename... Shape>
typename Primitive::primitive_desc describedAfter(const Forward& forward, const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                                  const Shape&... shape) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, shape..., forward, attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(shape...), attributes, engine, forward);
#endif
}

#if DNNL_VERSION_MAJOR >= 3
inline memory::dims dimsOf(const memory::desc& layout) { return layout.get_dims(); }
inline memory::data_type typeOf(const memory::desc& layout) { return layout.get_data_type(); }
inline void appendEltwise(dnnl::post_ops& after, dnnl::algorithm algorithm, float alpha, float beta) {
  after.append_eltwise(algorithm, alpha, beta);
}
#else
inline memory::dims dimsOf(const memory::desc& layout) { return layout.dims(); }
inline memory::data_type typeOf(const memory::desc& layout) { return layout.data_type(); }
inline void appendEltwise(dnnl::post_ops& after, dnnl::algorithm algorithm, float alpha, float beta) {
  after.append_eltwise(1, algorithm, alpha, beta);
}
#endif

}  // namespace knack::cpu
