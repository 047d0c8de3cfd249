// Device memory: one range of addresses for all emulated devices, with a shadow that knows what each byte holds and who touched it last.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulator {

/// What a byte of memory may be used for.
enum ByteState : uint8_t {
    kOutside = 0,        // of no allocation, or freed
    kUninitialised = 1,  // allocated, never written
    kInitialised = 2,
    kAsyncPending = 3,   // an asynchronous copy may write it at any moment
};

/// Who touched a byte of global memory last, packed: launch 16, block 20, thread 11, clock 17 bits. 0 is nobody.
using AccessRecord = uint64_t;

/// The addresses of one emulated device. Nothing is ever placed twice, so that a stale pointer is always noticed.
class DeviceMemory {
  public:
    static constexpr int kMaxDevices = 4;
    static constexpr uint64_t kDeviceSpan = uint64_t{256} << 30;
    static constexpr uint64_t kSpan = kDeviceSpan * kMaxDevices;

    static bool contains(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) - base_ < kSpan; }
    static size_t offset(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) - base_; }
    static int device_of(const void* pointer) { return static_cast<int>(offset(pointer) / kDeviceSpan); }
    static unsigned char* at(size_t offset) { return reinterpret_cast<unsigned char*>(base_ + offset); }

    static uint8_t* states(size_t offset) { return states_ + offset; }
    static AccessRecord* writes(size_t offset) { return writes_ + offset; }
    static AccessRecord* reads(size_t offset) { return reads_ + offset; }

    /// Null when the device's address range is used up.
    static unsigned char* allocate(int device, size_t bytes);
    static void release(unsigned char* memory, size_t bytes);
    /// Forgets who touched what, so that launch numbers can start over.
    static void forget_accesses();

  private:
    static void reserve();
    static uintptr_t base_;
    static uint8_t* states_;
    static AccessRecord* writes_;
    static AccessRecord* reads_;
};

} // namespace emulator
