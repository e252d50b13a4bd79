#pragma once

namespace knack {

// Makes libtorch's CPU memory come from the page-keeping allocator, once for the whole process.
void installAllocator();

}  // namespace knack
