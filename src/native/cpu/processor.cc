#include "processor.h"

namespace knack::cpu {

namespace {

// An instruction set's number has the bits of all that it includes.
bool has(dnnl::cpu_isa wanted) {
  const int bits = static_cast<int>(wanted);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

}  // namespace

const int kBlock = has(dnnl::cpu_isa::avx512_core) ? 16 : 8;

dnnl::memory::format_tag imagesTag(bool channelsLast) {
  if (channelsLast) return dnnl::memory::format_tag::acdb;
  return kBlock == 16 ? dnnl::memory::format_tag::aBcd16b : dnnl::memory::format_tag::aBcd8b;
}

bool hasFastLayout() { return has(dnnl::cpu_isa::avx2); }

bool addsBytesExactly() { return has(dnnl::cpu_isa::avx512_core_vnni) || has(dnnl::cpu_isa::avx2_vnni); }

std::string instructionSet() {
  using Isa = dnnl::cpu_isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case Isa::sse41: return "sse41";
    case Isa::avx: return "avx";
    case Isa::avx2: return "avx2";
    case Isa::avx2_vnni: return "avx2_vnni";
    case Isa::avx512_core: return "avx512_core";
    case Isa::avx512_core_vnni: return "avx512_core_vnni";
    case Isa::avx512_core_bf16: return "avx512_core_bf16";
    case Isa::avx512_core_amx: return "avx512_core_amx";
    // Named by number: one of the sets of Xeon Phi, or one that came after this was written.
    default: return "set " + std::to_string(static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

std::string libraryVersion() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace knack::cpu
