// Device and pinned memory, and copies between them.
#include <cstdlib>
#include <cstring>

#include "driver.h"

namespace emulator {

int check_device_range(const Device& device, CUdeviceptr pointer, size_t bytes, const char* what, uintptr_t& start) {
    auto memory = reinterpret_cast<const void*>(pointer);
    DeviceMemory::Allocation allocation;
    bool found = DeviceMemory::find(memory, allocation);
    if (found && allocation.device != device.ordinal)
        return refuse(CUDA_ERROR_INVALID_VALUE, std::string(what) + " on device " + std::to_string(device.ordinal)
            + " is given memory of device "
            + std::to_string(allocation.device));
    if (!found || pointer - allocation.start > allocation.bytes || bytes > allocation.bytes - (pointer - allocation.start))
        return refuse(CUDA_ERROR_INVALID_VALUE, std::string(what) + " of " + std::to_string(bytes)
            + (found ? " bytes leaves the allocation that it begins in" : " bytes begins in no allocation")
                + DeviceMemory::describe(memory));
    start = allocation.start;
    return CUDA_SUCCESS;
}

uintptr_t pinned_start(const void* pointer, size_t bytes) {
    std::lock_guard lock(driver().mutex);
    auto address = reinterpret_cast<uintptr_t>(pointer);
    auto after = driver().pinned.upper_bound(address);
    if (after == driver().pinned.begin())
        return 0;
    auto& [start, memory] = *std::prev(after);
    return address - start <= memory.first && bytes <= memory.first - (address - start) ? start : 0;
}

namespace {
/// A check when a copy runs: what it touches must still be there, and what it reads must have been written.
int check_now(CUdeviceptr pointer, size_t bytes, bool must_be_written, const char* what) {
    auto memory = reinterpret_cast<const void*>(pointer);
    const char* problem = DeviceMemory::problem(memory, bytes, must_be_written);
    if (!problem)
        return CUDA_SUCCESS;
    return refuse(CUDA_ERROR_ILLEGAL_ADDRESS, std::string(what) + (must_be_written ? " reads" : " writes") + " device memory that "
        + problem
        + DeviceMemory::describe(memory));
}

bool keeps_digest(CUdeviceptr pointer) {
    DeviceMemory::Allocation allocation;
    return DeviceMemory::find(reinterpret_cast<const void*>(pointer), allocation) && allocation.digest_only;
}

/// A copy from or to pageable memory does not fit into a capture.
int check_pageable(Stream* stream, Device* device, const char* what) {
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    if (!stream->capture)
        return CUDA_SUCCESS;
    stream->capture->invalidated = true;
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, std::string(what) + " of pageable memory on a stream that is capturing");
}
} // namespace

int run_memory_work(const Work& work, Device&) {
    auto destination = reinterpret_cast<unsigned char*>(work.destination);
    auto source = reinterpret_cast<const unsigned char*>(work.source);
    const void* host = work.staged.empty() ? work.host : work.staged.data();
    if (work.kind == WorkKind::kCopyToDevice && keeps_digest(work.destination)) {
        if (!DeviceMemory::add_to_digest(destination, static_cast<const unsigned char*>(host), work.bytes))
            return refuse(CUDA_ERROR_ILLEGAL_ADDRESS, "a byte is copied a second time into memory that keeps only a digest"
                + DeviceMemory::describe(destination));
        return CUDA_SUCCESS;
    }
    if (work.kind != WorkKind::kCopyToHost) {
        if (int error = check_now(work.destination, work.bytes, false, work.name))
            return error;
    }
    if (work.kind == WorkKind::kCopyToHost || work.kind == WorkKind::kCopyWithin) {
        if (int error = check_now(work.source, work.bytes, true, work.name))
            return error;
    }
    switch (work.kind) {
    case WorkKind::kCopyToDevice: std::memcpy(destination, host, work.bytes); break;
    case WorkKind::kCopyToHost: std::memcpy(work.host, source, work.bytes); break;
    case WorkKind::kCopyWithin: std::memmove(destination, source, work.bytes); break;
    default: std::memset(destination, work.value, work.bytes); break;
    }
    if (work.kind != WorkKind::kCopyToHost)
        DeviceMemory::mark_written(destination, work.bytes);
    return CUDA_SUCCESS;
}

} // namespace emulator

using namespace emulator;

extern "C" {

int cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
    Device* device;
    if (int error = enter_unsafe("cuMemAlloc_v2", device))
        return error;
    if (bytes == 0 || !pointer)
        return CUDA_ERROR_INVALID_VALUE;
    std::lock_guard lock(driver().mutex);
    size_t total = device->properties.memory_bytes;
    if (device->allocated_bytes > total || bytes > total - device->allocated_bytes)
        return refuse(CUDA_ERROR_OUT_OF_MEMORY, "the device has no room for " + std::to_string(bytes) + " bytes more");
    unsigned char* memory = DeviceMemory::allocate(device->ordinal, bytes);
    if (!memory)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *pointer = reinterpret_cast<CUdeviceptr>(memory);
    device->allocated_bytes += bytes;
    return CUDA_SUCCESS;
}

int cuMemFree_v2(CUdeviceptr pointer) {
    int fault = enter_release("cuMemFree_v2");
    auto memory = reinterpret_cast<unsigned char*>(pointer);
    DeviceMemory::Allocation allocation;
    if (!DeviceMemory::find(memory, allocation) || allocation.start != pointer)
        return refuse(CUDA_ERROR_INVALID_VALUE, "memory is freed at an address at which no allocation begins"
            + DeviceMemory::describe(memory));
    if (int error = invalidate_captures("cuMemFree_v2"))
        return error;
    // As the driver does: it waits for work that uses the memory. Here that is somebody's mistake all the same.
    settle_uses(pointer, "device memory is freed");
    std::lock_guard lock(driver().mutex);
    driver().devices[allocation.device]->allocated_bytes -= allocation.bytes;
    DeviceMemory::release(memory);
    return fault;
}

int cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
    Device* device;
    if (int error = enter_context("cuMemGetInfo_v2", device))
        return error;
    std::lock_guard lock(driver().mutex);
    *total_bytes = device->properties.memory_bytes;
    *free_bytes = *total_bytes - std::min(device->allocated_bytes, *total_bytes);
    return CUDA_SUCCESS;
}

int cuMemHostAlloc(void** pointer, size_t bytes, unsigned flags) {
    Device* device;
    if (int error = enter_unsafe("cuMemHostAlloc", device))
        return error;
    if (!pointer || bytes == 0 || flags > 7)
        return CUDA_ERROR_INVALID_VALUE;
    void* memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!memory)
        return CUDA_ERROR_OUT_OF_MEMORY;
    std::memset(memory, 0xFF, bytes);
    std::lock_guard lock(driver().mutex);
    driver().pinned[reinterpret_cast<uintptr_t>(memory)] = {bytes, device};
    *pointer = memory;
    return CUDA_SUCCESS;
}

int cuMemFreeHost(void* pointer) {
    int fault = enter_release("cuMemFreeHost");
    auto start = reinterpret_cast<uintptr_t>(pointer);
    {
        std::lock_guard lock(driver().mutex);
        if (!driver().pinned.count(start))
            return refuse(CUDA_ERROR_INVALID_VALUE, "pinned memory is freed that does not exist (any more)");
    }
    if (int error = invalidate_captures("cuMemFreeHost"))
        return error;
    settle_uses(start, "pinned memory is freed");
    std::lock_guard lock(driver().mutex);
    driver().pinned.erase(start);
    std::free(pointer);
    return fault;
}

int cuMemcpyHtoDAsync_v2(CUdeviceptr destination, const void* source, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemcpyHtoDAsync_v2", device))
        return error;
    Work work{WorkKind::kCopyToDevice};
    work.uses.resize(1);
    if (int error = check_device_range(*device, destination, bytes, "cuMemcpyHtoDAsync", work.uses[0]))
        return error;
    work.name = "cuMemcpyHtoDAsync";
    work.destination = destination;
    work.host = const_cast<void*>(source);
    work.bytes = bytes;
    // Pinned memory is read when the copy runs: a slot that is used again too early gives wrong weights here, too.
    if (uintptr_t start = pinned_start(source, bytes)) {
        work.uses.push_back(start);
    } else {
        if (int error = check_pageable(stream, device, "cuMemcpyHtoDAsync"))
            return error;
        auto from = static_cast<const unsigned char*>(source);
        work.staged.assign(from, from + bytes);
    }
    return enqueue(stream, device, std::move(work));
}

int cuMemcpyDtoHAsync_v2(void* destination, CUdeviceptr source, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemcpyDtoHAsync_v2", device))
        return error;
    Work work{WorkKind::kCopyToHost};
    work.uses.resize(1);
    if (int error = check_device_range(*device, source, bytes, "cuMemcpyDtoHAsync", work.uses[0]))
        return error;
    work.name = "cuMemcpyDtoHAsync";
    work.source = source;
    work.host = destination;
    work.bytes = bytes;
    uintptr_t start = pinned_start(destination, bytes);
    if (start)
        work.uses.push_back(start);
    else if (int error = check_pageable(stream, device, "cuMemcpyDtoHAsync"))
        return error;
    if (int error = enqueue(stream, device, std::move(work)))
        return error;
    // Into pageable memory the driver returns when the copy is done.
    return start ? static_cast<int>(CUDA_SUCCESS) : run_pending(*stream);
}

int cuMemcpyDtoDAsync_v2(CUdeviceptr destination, CUdeviceptr source, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemcpyDtoDAsync_v2", device))
        return error;
    Work work{WorkKind::kCopyWithin};
    work.uses.resize(2);
    if (int error = check_device_range(*device, source, bytes, "cuMemcpyDtoDAsync", work.uses[0]))
        return error;
    if (int error = check_device_range(*device, destination, bytes, "cuMemcpyDtoDAsync", work.uses[1]))
        return error;
    if (source < destination + bytes && destination < source + bytes && bytes)
        return refuse(CUDA_ERROR_INVALID_VALUE, "cuMemcpyDtoDAsync copies between ranges that overlap");
    work.name = "cuMemcpyDtoDAsync";
    work.destination = destination;
    work.source = source;
    work.bytes = bytes;
    return enqueue(stream, device, std::move(work));
}

int cuMemsetD8Async(CUdeviceptr destination, unsigned char value, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemsetD8Async", device))
        return error;
    Work work{WorkKind::kMemset};
    work.uses.resize(1);
    if (int error = check_device_range(*device, destination, bytes, "cuMemsetD8Async", work.uses[0]))
        return error;
    work.name = "cuMemsetD8Async";
    work.destination = destination;
    work.value = value;
    work.bytes = bytes;
    return enqueue(stream, device, std::move(work));
}

/// For tests: allocations of at least so many bytes keep only a digest of what is copied into them; 0 for none. Returns what it was.
uint64_t emulatorSetDigestThreshold(uint64_t bytes) { return DeviceMemory::set_digest_threshold(bytes); }

/// For tests: the digest of an allocation and how many of its bytes were copied in; 0 when it keeps none.
int emulatorDigest(CUdeviceptr pointer, uint64_t* digest, uint64_t* bytes) {
    return DeviceMemory::digest(reinterpret_cast<const void*>(pointer), *digest, *bytes);
}

} // extern "C"
