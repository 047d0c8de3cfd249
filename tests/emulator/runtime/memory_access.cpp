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

} // namespace

/// Arguments and the constants in the kernel's image may be read by everybody.
bool is_constant(const Launch& launch, const void* pointer, unsigned bytes) {
    auto address = reinterpret_cast<uintptr_t>(pointer);
    auto args = reinterpret_cast<uintptr_t>(launch.args);
    return (address >= launch.request.image_begin && address + bytes <= launch.request.image_end)
        || (address >= args && address + bytes <= args + launch.args_bytes);
}

void access_memory(void* pointer, unsigned bytes, bool write, const void* place) {
    Thread* running = current_thread();
    if (!running)
        return;
    Thread& thread = *running;
    if (in_stack(thread, pointer))
        return;
    if (in_shared(thread, pointer)) {
        require_alignment(pointer, bytes, write ? "executes a write that" : "executes a read that");
        auto offset = static_cast<unsigned>(static_cast<unsigned char*>(pointer) - thread.block->shared);
        log_access(thread, pointer, bytes, write ? AccessKind::kWriteShared : AccessKind::kReadShared, place);
        if (write)
            thread.block->shared_shadow.write(thread, offset, bytes);
        else
            thread.block->shared_shadow.read(thread, offset, bytes);
        return;
    }
    if (DeviceMemory::contains(pointer)) {
        require_global(thread, pointer, write ? "a write" : "a read");
        require_alignment(pointer, bytes, write ? "executes a write that" : "executes a read that");
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

namespace {
/// A shared address as PTX counts it, any other as it is.
[[noreturn]] void fail_misaligned(const void* pointer, unsigned alignment, const char* what) {
    const Thread& thread = *current_thread();
    if (in_shared(thread, pointer))
        fail(kMisalignedAddress, "%s at offset %u of shared memory is not aligned to its %u bytes", what,
            shared_offset(thread, pointer, what), alignment);
    fail(kMisalignedAddress, "%s at %p is not aligned to its %u bytes", what, pointer, alignment);
}
} // namespace

void require_alignment(const void* pointer, unsigned alignment, const char* what) {
    if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0)
        fail_misaligned(pointer, alignment, what);
}

void require_global(const Thread& thread, const void* pointer, const char* what) {
    if (!DeviceMemory::contains(pointer))
        fail(kIllegalAddress, "executes %s with %p for a pointer into device memory", what, pointer);
    if (DeviceMemory::device_of(pointer) != thread.block->launch->request.device)
        fail(kIllegalAddress, "executes %s with %p, which is memory of another device%s", what, pointer,
            DeviceMemory::describe(pointer).c_str());
}

unsigned shared_offset(const Thread& thread, const void* pointer, const char* what) {
    if (!in_shared(thread, pointer))
        fail(kIllegalAddress, "executes %s with %p for a pointer into shared memory", what, pointer);
    return static_cast<unsigned>(static_cast<const unsigned char*>(pointer) - thread.block->shared);
}

unsigned own_shared_offset(const Thread& thread, unsigned address, unsigned alignment, const char* what) {
    unsigned offset = address - thread.block->launch->request.shared_address_base;
    if (offset >= SharedShadow::kCapacity)
        fail(kIllegalAddress, "executes %s with %08x for an address in its own shared memory", what, address);
    if (offset % alignment != 0)
        fail(kMisalignedAddress, "executes %s at offset %u of shared memory, which is not aligned to %u bytes", what, offset, alignment);
    return offset;
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
    return thread.block->shared + own_shared_offset(thread, address, 1, "an access to shared memory");
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
    require_alignment(pointer, 4, "executes an atomic addition that");
    // Among themselves atomics are in some order; they order nothing else, as .relaxed ones on the device.
    if (DeviceMemory::contains(pointer)) {
        require_global(thread, pointer, "an atomic addition");
        atomic_global(thread, pointer, 4);
    } else {
        thread.block->shared_shadow.atomic(thread, shared_offset(thread, pointer, "an atomic addition"), 4);
    }
    unsigned before = *pointer;
    *pointer = before + value;
    yield(thread);
    return before;
}

} // extern "C"
