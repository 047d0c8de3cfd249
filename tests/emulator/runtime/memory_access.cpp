#include "memory_access.h"

#include <cstring>

#include "execution.h"

namespace emulator {

namespace {
bool in_shared(const Thread& thread, const void* pointer) {
    return static_cast<size_t>(static_cast<const unsigned char*>(pointer) - thread.block->shared) < SharedShadow::kCapacity;
}

bool in_stack(const Thread& thread, const void* pointer) {
    return static_cast<size_t>(static_cast<const unsigned char*>(pointer) - thread.stack) < FiberStacks::kStackBytes;
}

/// Arguments and the constants in the kernel's image may be read by everybody.
bool is_constant(const Launch& launch, const void* pointer, unsigned bytes) {
    auto address = reinterpret_cast<uintptr_t>(pointer);
    auto args = reinterpret_cast<uintptr_t>(launch.args.data());
    return (address >= launch.request.image_begin && address + bytes <= launch.request.image_end)
        || (address >= args && address + bytes <= args + launch.args.size());
}
} // namespace

void access_memory(void* pointer, unsigned bytes, bool write, const void* place) {
    Thread* running = current_thread();
    if (!running)
        return;
    Thread& thread = *running;
    if (in_stack(thread, pointer))
        return;
    if (in_shared(thread, pointer)) {
        require_alignment(pointer, bytes, write ? "a write to shared memory" : "a read of shared memory");
        auto offset = static_cast<unsigned>(static_cast<unsigned char*>(pointer) - thread.block->shared);
        log_access(thread, pointer, bytes, write ? AccessKind::kWriteShared : AccessKind::kReadShared, place);
        if (write)
            thread.block->shared_shadow.write(thread, offset, bytes);
        else
            thread.block->shared_shadow.read(thread, offset, bytes);
        return;
    }
    if (DeviceMemory::contains(pointer)) {
        require_alignment(pointer, bytes, write ? "a write to global memory" : "a read of global memory");
        log_access(thread, pointer, bytes, write ? AccessKind::kWriteGlobal : AccessKind::kReadGlobal, place);
        if (write)
            write_global(thread, pointer, bytes);
        else
            read_global(thread, pointer, bytes);
        return;
    }
    if (write || !is_constant(*thread.block->launch, pointer, bytes))
        fail(kIllegalAddress, "%s %u bytes at %p, which is neither shared nor device memory", write ? "writes" : "reads", bytes, pointer);
}

void require_alignment(const void* pointer, unsigned alignment, const char* what) {
    if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0)
        fail(kMisalignedAddress, "%s at %p is not aligned to its %u bytes", what, pointer, alignment);
}

void require_global(const void* pointer, const char* what) {
    if (!DeviceMemory::contains(pointer))
        fail(kIllegalAddress, "%s is given %p for a pointer into device memory", what, pointer);
}

unsigned shared_offset(const Thread& thread, const void* pointer, const char* what) {
    if (!in_shared(thread, pointer))
        fail(kIllegalAddress, "%s is given %p for a pointer into shared memory", what, pointer);
    return static_cast<unsigned>(static_cast<const unsigned char*>(pointer) - thread.block->shared);
}

void log_access(Thread& thread, const void* pointer, unsigned bytes, AccessKind kind, const void* place) {
    if (thread.block->launch->request.count_traffic && bytes)
        thread.accesses.push_back({place, reinterpret_cast<uintptr_t>(pointer), static_cast<uint16_t>(bytes), kind});
}

} // namespace emulator

using namespace emulator;

// What g++ calls before every access to memory that others might see, under -fsanitize=thread.
#define ACCESS_HOOKS(bytes)                                                                                                               \
    void __tsan_read##bytes(void* pointer) { access_memory(pointer, bytes, false, __builtin_return_address(0)); }                         \
    void __tsan_write##bytes(void* pointer) { access_memory(pointer, bytes, true, __builtin_return_address(0)); }                         \
    void __tsan_unaligned_read##bytes(void* pointer) { access_memory(pointer, bytes, false, __builtin_return_address(0)); }               \
    void __tsan_unaligned_write##bytes(void* pointer) { access_memory(pointer, bytes, true, __builtin_return_address(0)); }

extern "C" {

ACCESS_HOOKS(1)
ACCESS_HOOKS(2)
ACCESS_HOOKS(4)
ACCESS_HOOKS(8)
ACCESS_HOOKS(16)

void __tsan_read_range(void* pointer, unsigned long bytes) { access_memory(pointer, bytes, false, __builtin_return_address(0)); }
void __tsan_write_range(void* pointer, unsigned long bytes) { access_memory(pointer, bytes, true, __builtin_return_address(0)); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void*) {}

unsigned emulator_shared_address(const void* pointer) {
    const Thread& thread = *current_thread();
    return shared_offset(thread, pointer, "a shared address") + thread.block->launch->request.shared_address_base;
}

void* emulator_shared_pointer(unsigned address) {
    const Thread& thread = *current_thread();
    return thread.block->shared + (address - thread.block->launch->request.shared_address_base);
}

EmulatedWords4 emulator_load16(const void* pointer) {
    access_memory(const_cast<void*>(pointer), 16, false, __builtin_return_address(0));
    EmulatedWords4 value;
    std::memcpy(&value, pointer, 16);
    return value;
}

void emulator_store16(void* pointer, EmulatedWords4 value) {
    access_memory(pointer, 16, true, __builtin_return_address(0));
    std::memcpy(pointer, &value, 16);
}

unsigned long emulator_load8(const void* pointer) {
    access_memory(const_cast<void*>(pointer), 8, false, __builtin_return_address(0));
    unsigned long value;
    std::memcpy(&value, pointer, 8);
    return value;
}

void emulator_store8(void* pointer, unsigned long value) {
    access_memory(pointer, 8, true, __builtin_return_address(0));
    std::memcpy(pointer, &value, 8);
}

unsigned emulator_atomic_add(unsigned* pointer, unsigned value) {
    Thread& thread = *current_thread();
    require_alignment(pointer, 4, "an atomic addition");
    if (DeviceMemory::contains(pointer))
        atomic_global(thread, pointer, 4);
    else
        shared_offset(thread, pointer, "an atomic addition");
    unsigned before = *pointer;
    *pointer = before + value;
    maybe_preempt(thread);
    return before;
}

} // extern "C"
