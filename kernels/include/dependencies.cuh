// Kernels that begin before the one in front of them has ended (sm_90); on older devices none does, and nothing is to be waited for.
#pragma once

#include "device.cuh"

/// Waits until the kernel in front of this one has ended and what it wrote is seen. Before that nothing may be touched that another kernel
/// writes. Every kernel of a chain waits, else the one behind it may outrun the one in front of it.
DEVICE void wait_for_dependencies() {
#if __CUDA_ARCH__ >= 900
    PTX(asm volatile("griddepcontrol.wait;" ::: "memory"), emulator_dependency_wait());
#endif
}

/// The kernel behind this one may begin, once all blocks have come here or ended; it sees nothing of this one for it.
DEVICE void launch_dependents() {
#if __CUDA_ARCH__ >= 900
    PTX(asm volatile("griddepcontrol.launch_dependents;" ::: "memory"), emulator_launch_dependents());
#endif
}
