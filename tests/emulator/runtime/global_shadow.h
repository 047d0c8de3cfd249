// Checks of accesses to global memory: bounds, initialisation, and races within a launch.
#pragma once

#include <cstddef>

namespace emulator {

struct Thread;

void read_global(Thread& thread, const void* pointer, unsigned bytes);
void write_global(Thread& thread, void* pointer, unsigned bytes);
/// A read and a write that no other atomic access can come between.
void atomic_global(Thread& thread, void* pointer, unsigned bytes);

} // namespace emulator
