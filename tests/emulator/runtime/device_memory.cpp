#include "device_memory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>

namespace emulator {

uintptr_t DeviceMemory::base_ = 0;
uint8_t* DeviceMemory::states_ = nullptr;
AccessRecord* DeviceMemory::writes_ = nullptr;
AccessRecord* DeviceMemory::reads_ = nullptr;
AccessRecord* DeviceMemory::line_writes_ = nullptr;
AccessRecord* DeviceMemory::line_reads_ = nullptr;

namespace {
// As cuMemAlloc aligns, and room behind each allocation that belongs to none.
constexpr size_t kAlignment = 512;
constexpr size_t kPage = 4096;

struct Entry {
    DeviceMemory::Allocation allocation;
    bool freed = false;
    uint64_t digest = 0, digested = 0;
    std::map<size_t, size_t> written;    // ranges that the digest has, by their beginnings: end
};

/// All allocations there ever were, by their addresses: an address is never used again. Never destroyed, as handles are released late.
struct Registry {
    std::mutex mutex;
    std::map<uintptr_t, Entry> entries;
    size_t next_offset[DeviceMemory::kMaxDevices] = {};
    unsigned made = 0;
    size_t live = 0;
    uint64_t digest_threshold = 0;
};

Registry& registry() {
    static Registry* instance = new Registry;
    return *instance;
}

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Gives back the whole pages of a range whose first and last may be shared.
void give_back_pages(void* begin, size_t bytes) {
    uintptr_t first = round_up(reinterpret_cast<uintptr_t>(begin), kPage), last = (reinterpret_cast<uintptr_t>(begin) + bytes) / kPage * kPage;
    if (first < last)
        madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

void* reserve_range(size_t bytes, int protection) {
    // Only pages that are touched take memory.
    void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        std::fprintf(stderr, "emulator: no address space for %zu GB of device memory and its shadow\n", bytes >> 30);
        std::abort();
    }
    return memory;
}

/// The entry that begins at or before an address, in the room that belongs to it; null for none.
Entry* entry_near(const void* pointer) {
    auto& entries = registry().entries;
    auto after = entries.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    return after == entries.begin() ? nullptr : &std::prev(after)->second;
}

/// What the word at a place of an allocation counts in its digest: another odd number for each place.
uint64_t weight(uint64_t word) {
    uint64_t z = (word + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) | 1;
}

bool add_range(std::map<size_t, size_t>& ranges, size_t begin, size_t end) {
    auto after = ranges.lower_bound(begin);
    if ((after != ranges.end() && after->first < end) || (after != ranges.begin() && std::prev(after)->second > begin))
        return false;
    if (after != ranges.end() && after->first == end) {
        end = after->second;
        after = ranges.erase(after);
    }
    if (after != ranges.begin() && std::prev(after)->second == begin)
        std::prev(after)->second = end;
    else
        ranges[begin] = end;
    return true;
}
} // namespace

bool DeviceMemory::is_idle() {
    static const bool idle = std::getenv("PIXIO_EMULATOR_IDLE") != nullptr;
    return idle;
}

void DeviceMemory::reserve() {
    if (base_)
        return;
    states_ = static_cast<uint8_t*>(reserve_range(kSpan, PROT_READ | PROT_WRITE));
    writes_ = static_cast<AccessRecord*>(reserve_range(kSpan * sizeof(AccessRecord), PROT_READ | PROT_WRITE));
    reads_ = static_cast<AccessRecord*>(reserve_range(kSpan * sizeof(AccessRecord), PROT_READ | PROT_WRITE));
    line_writes_ = static_cast<AccessRecord*>(reserve_range(kSpan / kLineBytes * sizeof(AccessRecord), PROT_READ | PROT_WRITE));
    line_reads_ = static_cast<AccessRecord*>(reserve_range(kSpan / kLineBytes * sizeof(AccessRecord), PROT_READ | PROT_WRITE));
    base_ = reinterpret_cast<uintptr_t>(reserve_range(kSpan, PROT_NONE));
}

unsigned char* DeviceMemory::allocate(int device, size_t bytes) {
    Registry& all = registry();
    std::lock_guard lock(all.mutex);
    reserve();
    // Pages of its own, so that freeing gives them back and a use of them afterwards faults even outside of kernels.
    size_t pages = round_up(bytes + kAlignment, kPage);
    size_t& next_offset = all.next_offset[device];
    if (next_offset + pages + 2 * kPage > kDeviceSpan)
        return nullptr;
    size_t start = device * kDeviceSpan + kPage + next_offset;
    unsigned char* memory = at(start);
    bool digest_only = all.digest_threshold && bytes >= all.digest_threshold;
    if (!digest_only) {
        if (mprotect(memory, pages, PROT_READ | PROT_WRITE) != 0)
            return nullptr;
        std::memset(states_ + start, is_idle() ? kInitialised : kUninitialised, bytes);
    }
    next_offset += pages + kPage;
    Entry& entry = all.entries[reinterpret_cast<uintptr_t>(memory)];
    entry.allocation = {reinterpret_cast<uintptr_t>(memory), bytes, device, ++all.made, digest_only};
    all.live++;
    return memory;
}

void DeviceMemory::release(unsigned char* memory) {
    Registry& all = registry();
    std::lock_guard lock(all.mutex);
    Entry& entry = all.entries.at(reinterpret_cast<uintptr_t>(memory));
    size_t start = offset(memory), pages = round_up(entry.allocation.bytes + kAlignment, kPage);
    entry.freed = true;
    entry.written.clear();
    all.live--;
    if (entry.allocation.digest_only)
        return;
    // A fresh mapping, which becomes one with those beside it: protecting the old one would leave a mapping for every allocation that there
    // ever was, and a process has 65,530.
    mmap(memory, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    // This memory is never used again, so that its shadow goes too: pages that are given back read as zeros.
    static_assert(kOutside == 0);
    madvise(states_ + start, pages, MADV_DONTNEED);
    madvise(writes_ + start, pages * sizeof(AccessRecord), MADV_DONTNEED);
    madvise(reads_ + start, pages * sizeof(AccessRecord), MADV_DONTNEED);
    give_back_pages(line_writes_ + start / kLineBytes, pages / kLineBytes * sizeof(AccessRecord));
    give_back_pages(line_reads_ + start / kLineBytes, pages / kLineBytes * sizeof(AccessRecord));
}

size_t DeviceMemory::release_all(int device) {
    size_t count = 0;
    for (auto& [start, entry] : registry().entries) {
        if (entry.freed || entry.allocation.device != device)
            continue;
        release(reinterpret_cast<unsigned char*>(start));
        count++;
    }
    return count;
}

void DeviceMemory::forget_accesses() {
    Registry& all = registry();
    std::lock_guard lock(all.mutex);
    for (int device = 0; device < kMaxDevices; device++) {
        size_t start = device * kDeviceSpan, bytes = round_up(all.next_offset[device] + kPage, kLineBytes * kPage) * sizeof(AccessRecord);
        if (!base_ || all.next_offset[device] == 0)
            continue;
        madvise(writes_ + start, bytes, MADV_DONTNEED);
        madvise(reads_ + start, bytes, MADV_DONTNEED);
        madvise(line_writes_ + start / kLineBytes, bytes / kLineBytes, MADV_DONTNEED);
        madvise(line_reads_ + start / kLineBytes, bytes / kLineBytes, MADV_DONTNEED);
    }
}

bool DeviceMemory::find(const void* pointer, Allocation& allocation) {
    if (!base_ || !contains(pointer))
        return false;
    std::lock_guard lock(registry().mutex);
    Entry* entry = entry_near(pointer);
    if (!entry || entry->freed || reinterpret_cast<uintptr_t>(pointer) - entry->allocation.start > entry->allocation.bytes)
        return false;
    allocation = entry->allocation;
    return true;
}

size_t DeviceMemory::live_count() {
    std::lock_guard lock(registry().mutex);
    return registry().live;
}

std::string DeviceMemory::describe(const void* pointer) {
    if (!base_ || !contains(pointer))
        return "";
    std::lock_guard lock(registry().mutex);
    const Entry* entry = entry_near(pointer);
    if (!entry)
        return "";
    const Allocation& near = entry->allocation;
    size_t distance = reinterpret_cast<uintptr_t>(pointer) - near.start;
    char text[200];
    std::snprintf(text, sizeof text, " (%zu bytes %s the %sallocation of %zu bytes at %p on device %d, the %u. that was made%s)",
        distance < near.bytes ? distance : distance - near.bytes, distance < near.bytes ? "into" : "behind", entry->freed ? "freed "
            : "", near.bytes,
        reinterpret_cast<void*>(near.start), near.device, near.number, near.digest_only ? ", which keeps only a digest" : "");
    return text;
}

const char* DeviceMemory::problem(const void* pointer, size_t bytes, bool must_be_written) {
    if (bytes == 0)
        return nullptr;
    if (!base_ || !contains(pointer))
        return "is not the device's";
    const uint8_t* states = states_ + offset(pointer);
    if (std::memchr(states, kOutside, bytes))
        return "is in no allocation, or was freed";
    return must_be_written && std::memchr(states, kUninitialised, bytes) ? "was never written" : nullptr;
}

void DeviceMemory::mark_written(const void* pointer, size_t bytes) { std::memset(states_ + offset(pointer), kInitialised, bytes); }

uint64_t DeviceMemory::set_digest_threshold(uint64_t bytes) {
    std::lock_guard lock(registry().mutex);
    std::swap(bytes, registry().digest_threshold);
    return bytes;
}

// The sum over all words of word times weight: it does not matter in which pieces the bytes come.
bool DeviceMemory::add_to_digest(const void* pointer, const unsigned char* bytes, size_t count) {
    size_t begin;
    Entry* entry;    // in a map, which does not move it
    {
        std::lock_guard lock(registry().mutex);
        entry = entry_near(pointer);
        begin = reinterpret_cast<uintptr_t>(pointer) - entry->allocation.start;
        if (!add_range(entry->written, begin, begin + count))
            return false;
        entry->digested += count;
    }
    // Outside of the lock, so that the threads of a program digest side by side; zeros, of which sparse files are full, count nothing.
    uint64_t sum = 0;
    size_t i = 0;
    for (; i < count && (begin + i) % 8; i++)
        sum += (static_cast<uint64_t>(bytes[i]) << 8 * ((begin + i) % 8)) * weight((begin + i) / 8);
    for (; i + 8 <= count; i += 8) {
        uint64_t word;
        std::memcpy(&word, bytes + i, 8);
        if (word)
            sum += word * weight((begin + i) / 8);
    }
    for (; i < count; i++)
        sum += (static_cast<uint64_t>(bytes[i]) << 8 * ((begin + i) % 8)) * weight((begin + i) / 8);
    std::lock_guard lock(registry().mutex);
    entry->digest += sum;
    return true;
}

bool DeviceMemory::digest(const void* pointer, uint64_t& digest, uint64_t& bytes) {
    if (!base_ || !contains(pointer))
        return false;
    std::lock_guard lock(registry().mutex);
    const Entry* entry = entry_near(pointer);
    if (!entry || entry->freed || !entry->allocation.digest_only)
        return false;
    digest = entry->digest;
    bytes = entry->digested;
    return true;
}

} // namespace emulator
