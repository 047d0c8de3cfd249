// Where an access of a kernel goes (shared, global, its own stack, constants), and the checks that depend on it.
#pragma once

#include "execution.h"
#include "global_shadow.h"
#include "traffic.h"

namespace emulator {

/// One access by the running thread, from code at `place`: checked, remembered, counted.
void access_memory(void* pointer, unsigned bytes, bool write, const void* place);

void require_alignment(const void* pointer, unsigned alignment, const char* what);
/// An error unless the pointer is one into the memory of the thread's own device.
void require_global(const Thread& thread, const void* pointer, const char* what);

/// Whether a range lies in the arguments, or among the constants of the kernel's image.
bool is_constant(const Launch& launch, const void* pointer, unsigned bytes);

/// The offset of a pointer into the block's shared memory; an error when it points elsewhere.
unsigned shared_offset(const Thread& thread, const void* pointer, const char* what);

/// The offset in its own block of a shared address.
unsigned own_shared_offset(const Thread& thread, unsigned address, unsigned alignment, const char* what);

/// Remembers an access until the warp is together again and it can be counted with those of the other lanes.
inline void log_access(Thread& thread, const void* pointer, unsigned bytes, AccessKind kind, const void* place) {
    if (!bytes || !thread.block->launch->request.count_traffic)
        return;
    thread.accesses.push_back({place, reinterpret_cast<uintptr_t>(pointer), static_cast<uint16_t>(bytes), kind});
    thread.warp->logged |= thread.bit();
}

} // namespace emulator
