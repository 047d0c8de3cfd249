// Device memory: one range of addresses for all emulated devices, with a shadow that knows what each byte holds and who touched it last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

/// What a byte of memory may be used for.
enum ByteState : uint8_t {
    kOutside = 0,        // of no allocation, or freed
    kUninitialised = 1,  // allocated, never written
    kInitialised = 2,
    kAsyncPending = 3,   // an asynchronous copy may write it at any moment
    kBarrierState = 4,   // part of an mbarrier
};

/// Who touched a byte of global memory last, packed: launch 16, block 20, thread 11, clock 17 bits. 0 is nobody.
using AccessRecord = uint64_t;

/// The addresses of one emulated device. Nothing is ever placed twice, so that a stale pointer is always noticed.
class DeviceMemory {
  public:
    static constexpr int kMaxDevices = 4;
    static constexpr uint64_t kDeviceSpan = uint64_t{256} << 30;
    static constexpr uint64_t kSpan = kDeviceSpan * kMaxDevices;

    struct Allocation {
        uintptr_t start = 0;
        size_t bytes = 0;
        int device = 0;
        unsigned number = 0;         // in the order of their making
        bool digest_only = false;    // nothing is kept of what is copied in but a digest
    };

    static bool contains(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) - base_ < kSpan; }
    static size_t offset(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) - base_; }
    static int device_of(const void* pointer) { return static_cast<int>(offset(pointer) / kDeviceSpan); }
    static unsigned char* at(size_t offset) { return reinterpret_cast<unsigned char*>(base_ + offset); }

    static uint8_t* states(size_t offset) { return states_ + offset; }
    static AccessRecord* writes(size_t offset) { return writes_ + offset; }
    static AccessRecord* reads(size_t offset) { return reads_ + offset; }
    /// Of the line of 16 bytes around an offset: most accesses take a line as a whole.
    static constexpr size_t kLineBytes = 16;
    static AccessRecord* line_writes(size_t offset) { return line_writes_ + offset / kLineBytes; }
    static AccessRecord* line_reads(size_t offset) { return line_reads_ + offset / kLineBytes; }

    /// Whether launches do nothing, and memory counts as written: for measuring the host.
    static bool is_idle();

    /// Null when the device's address range is used up.
    static unsigned char* allocate(int device, size_t bytes);
    /// Frees the allocation that begins here.
    static void release(unsigned char* memory);
    /// Frees all of a device; how many there were.
    static size_t release_all(int device);
    /// Forgets who touched what, so that launch numbers can start over.
    static void forget_accesses();

    /// The live allocation in which, or right behind which, a pointer lies.
    static bool find(const void* pointer, Allocation& allocation);
    static size_t live_count();
    /// What an address is near, for the end of a sentence: " (16 bytes behind the allocation of 4096 bytes at 0x..)".
    static std::string describe(const void* pointer);

    /// What is wrong with a range, as "is in no allocation" or "was never written"; null when nothing is.
    static const char* problem(const void* pointer, size_t bytes, bool must_be_written);
    static void mark_written(const void* pointer, size_t bytes);

    static uint64_t set_digest_threshold(uint64_t bytes);
    /// Adds bytes to an allocation's digest; false when one of them was added before.
    static bool add_to_digest(const void* pointer, const unsigned char* bytes, size_t count);
    /// False when the allocation keeps none.
    static bool digest(const void* pointer, uint64_t& digest, uint64_t& bytes);

  private:
    static void reserve();
    static uintptr_t base_;
    static uint8_t* states_;
    static AccessRecord* writes_;
    static AccessRecord* reads_;
    static AccessRecord* line_writes_;
    static AccessRecord* line_reads_;
};

} // namespace emulator
