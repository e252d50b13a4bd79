#pragma once

namespace knack {

// Makes libtorch's CPU memory come from the page-keeping allocator, once for the whole process.
void installAllocator();

// Gives the pages that no tensor holds back to the kernel.
void releaseKeptPages();

}  // namespace knack
