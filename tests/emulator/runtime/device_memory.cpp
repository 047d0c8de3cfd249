#include "device_memory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sys/mman.h>

namespace emulator {

uintptr_t DeviceMemory::base_ = 0;
uint8_t* DeviceMemory::states_ = nullptr;
AccessRecord* DeviceMemory::writes_ = nullptr;
AccessRecord* DeviceMemory::reads_ = nullptr;

namespace {
// As cuMemAlloc aligns, and room behind each allocation that belongs to none.
constexpr size_t kAlignment = 512;
constexpr size_t kPage = 4096;
std::mutex mutex;
size_t next_offset[DeviceMemory::kMaxDevices];

void* reserve_range(size_t bytes, int protection) {
    // Only pages that are touched take memory.
    void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        std::fprintf(stderr, "emulator: no address space for %zu GB of device memory and its shadow\n", bytes >> 30);
        std::abort();
    }
    return memory;
}

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }
} // namespace

void DeviceMemory::reserve() {
    if (base_)
        return;
    states_ = static_cast<uint8_t*>(reserve_range(kSpan, PROT_READ | PROT_WRITE));
    writes_ = static_cast<AccessRecord*>(reserve_range(kSpan * sizeof(AccessRecord), PROT_READ | PROT_WRITE));
    reads_ = static_cast<AccessRecord*>(reserve_range(kSpan * sizeof(AccessRecord), PROT_READ | PROT_WRITE));
    base_ = reinterpret_cast<uintptr_t>(reserve_range(kSpan, PROT_NONE));
}

unsigned char* DeviceMemory::allocate(int device, size_t bytes) {
    std::lock_guard lock(mutex);
    reserve();
    // Pages of its own, so that freeing gives them back and a use of them afterwards faults even outside of kernels.
    size_t pages = round_up(bytes + kAlignment, kPage);
    if (next_offset[device] + pages + kPage > kDeviceSpan)
        return nullptr;
    size_t start = device * kDeviceSpan + kPage + next_offset[device];
    next_offset[device] += pages + kPage;
    unsigned char* memory = at(start);
    if (mprotect(memory, pages, PROT_READ | PROT_WRITE) != 0)
        return nullptr;
    std::memset(states_ + start, kUninitialised, bytes);
    return memory;
}

void DeviceMemory::release(unsigned char* memory, size_t bytes) {
    std::lock_guard lock(mutex);
    size_t start = offset(memory), pages = round_up(bytes + kAlignment, kPage);
    std::memset(states_ + start, kOutside, bytes);
    madvise(memory, pages, MADV_DONTNEED);
    mprotect(memory, pages, PROT_NONE);
    // Whole pages of the shadow; its records lie eight bytes to a byte, so that every page of memory is eight of theirs.
    madvise(writes_ + start, pages * sizeof(AccessRecord), MADV_DONTNEED);
    madvise(reads_ + start, pages * sizeof(AccessRecord), MADV_DONTNEED);
}

void DeviceMemory::forget_accesses() {
    std::lock_guard lock(mutex);
    for (int device = 0; device < kMaxDevices; device++) {
        size_t start = device * kDeviceSpan, bytes = (next_offset[device] + kPage) * sizeof(AccessRecord);
        if (!base_ || next_offset[device] == 0)
            continue;
        madvise(writes_ + start, bytes, MADV_DONTNEED);
        madvise(reads_ + start, bytes, MADV_DONTNEED);
    }
}

} // namespace emulator
