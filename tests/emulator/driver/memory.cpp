// Device and pinned memory, and copies between them.
#include <cstdlib>
#include <cstring>

#include "driver.h"

using namespace emulator;

namespace {
/// The allocation that holds all of [pointer, pointer + bytes); null for none.
bool inside_allocation(Device& device, CUdeviceptr pointer, size_t bytes) {
    auto after = device.allocations.upper_bound(pointer);
    if (after == device.allocations.begin())
        return false;
    auto [start, size] = *std::prev(after);
    return pointer - start <= size && bytes <= size - (pointer - start);
}

int check_range(Device& device, CUdeviceptr pointer, size_t bytes, const char* what) {
    std::lock_guard lock(driver().mutex);
    if (inside_allocation(device, pointer, bytes))
        return CUDA_SUCCESS;
    remember_error(std::string(what) + " leaves the allocation that it begins in, or begins in none");
    return CUDA_ERROR_INVALID_VALUE;
}

int check_initialised(CUdeviceptr pointer, size_t bytes, const char* what) {
    const uint8_t* states = DeviceMemory::states(DeviceMemory::offset(reinterpret_cast<void*>(pointer)));
    if (bytes == 0 || !std::memchr(states, kUninitialised, bytes))
        return CUDA_SUCCESS;
    remember_error(std::string(what) + " copies device memory that was never written");
    return CUDA_ERROR_ILLEGAL_ADDRESS;
}

void mark_initialised(CUdeviceptr pointer, size_t bytes) {
    std::memset(DeviceMemory::states(DeviceMemory::offset(reinterpret_cast<void*>(pointer))), kInitialised, bytes);
}
} // namespace

extern "C" {

int cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
    Device* device;
    if (int error = enter_context("cuMemAlloc_v2", device))
        return error;
    if (bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    std::lock_guard lock(driver().mutex);
    if (bytes > device->properties.memory_bytes - device->allocated_bytes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    unsigned char* memory = DeviceMemory::allocate(device->ordinal, bytes);
    if (!memory)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *pointer = reinterpret_cast<CUdeviceptr>(memory);
    device->allocations[*pointer] = bytes;
    device->allocated_bytes += bytes;
    return CUDA_SUCCESS;
}

int cuMemFree_v2(CUdeviceptr pointer) {
    Device* device;
    if (int error = enter("cuMemFree_v2"))
        return error;
    device = current_device();
    if (!device)
        return CUDA_ERROR_INVALID_CONTEXT;
    std::lock_guard lock(driver().mutex);
    auto found = device->allocations.find(pointer);
    if (found == device->allocations.end())
        return CUDA_ERROR_INVALID_VALUE;
    DeviceMemory::release(reinterpret_cast<unsigned char*>(pointer), found->second);
    device->allocated_bytes -= found->second;
    device->allocations.erase(found);
    return CUDA_SUCCESS;
}

int cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
    Device* device;
    if (int error = enter_context("cuMemGetInfo_v2", device))
        return error;
    std::lock_guard lock(driver().mutex);
    *total_bytes = device->properties.memory_bytes;
    *free_bytes = *total_bytes - device->allocated_bytes;
    return CUDA_SUCCESS;
}

int cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
    Device* device;
    if (int error = enter_context("cuMemHostAlloc", device))
        return error;
    void* memory = bytes ? std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) : nullptr;
    if (!memory)
        return bytes ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
    std::memset(memory, 0xFF, bytes);
    std::lock_guard lock(driver().mutex);
    driver().pinned[memory] = bytes;
    *pointer = memory;
    return CUDA_SUCCESS;
}

int cuMemFreeHost(void* pointer) {
    if (int error = enter("cuMemFreeHost"))
        return error;
    std::lock_guard lock(driver().mutex);
    if (driver().pinned.erase(pointer) == 0)
        return CUDA_ERROR_INVALID_VALUE;
    std::free(pointer);
    return CUDA_SUCCESS;
}

int cuMemcpyHtoDAsync_v2(CUdeviceptr destination, const void* source, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemcpyHtoDAsync_v2", device))
        return error;
    if (int error = check_range(*device, destination, bytes, "cuMemcpyHtoDAsync"))
        return error;
    // Pinned memory is read when the copy runs: a slot that is used again too early gives wrong weights here, too.
    return enqueue(stream, {"cuMemcpyHtoDAsync", [=] {
        std::memcpy(reinterpret_cast<void*>(destination), source, bytes);
        mark_initialised(destination, bytes);
        return static_cast<int>(CUDA_SUCCESS);
    }});
}

int cuMemcpyDtoHAsync_v2(void* destination, CUdeviceptr source, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemcpyDtoHAsync_v2", device))
        return error;
    if (int error = check_range(*device, source, bytes, "cuMemcpyDtoHAsync"))
        return error;
    return enqueue(stream, {"cuMemcpyDtoHAsync", [=] {
        int error = check_initialised(source, bytes, "cuMemcpyDtoHAsync");
        if (!error)
            std::memcpy(destination, reinterpret_cast<void*>(source), bytes);
        return error;
    }});
}

int cuMemcpyDtoDAsync_v2(CUdeviceptr destination, CUdeviceptr source, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemcpyDtoDAsync_v2", device))
        return error;
    if (int error = check_range(*device, source, bytes, "cuMemcpyDtoDAsync"))
        return error;
    if (int error = check_range(*device, destination, bytes, "cuMemcpyDtoDAsync"))
        return error;
    return enqueue(stream, {"cuMemcpyDtoDAsync", [=] {
        int error = check_initialised(source, bytes, "cuMemcpyDtoDAsync");
        if (!error) {
            std::memmove(reinterpret_cast<void*>(destination), reinterpret_cast<void*>(source), bytes);
            mark_initialised(destination, bytes);
        }
        return error;
    }});
}

int cuMemsetD8Async(CUdeviceptr destination, unsigned char value, size_t bytes, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuMemsetD8Async", device))
        return error;
    if (int error = check_range(*device, destination, bytes, "cuMemsetD8Async"))
        return error;
    return enqueue(stream, {"cuMemsetD8Async", [=] {
        std::memset(reinterpret_cast<void*>(destination), value, bytes);
        mark_initialised(destination, bytes);
        return static_cast<int>(CUDA_SUCCESS);
    }});
}

} // extern "C"
