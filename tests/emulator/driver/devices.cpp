// Devices, their attributes, and primary contexts.
#include <dlfcn.h>

#include <cstring>

#include "driver.h"

using namespace emulator;

namespace {
Device* find(CUdevice ordinal) {
    auto& devices = driver().devices;
    return ordinal >= 0 && ordinal < static_cast<int>(devices.size()) ? devices[ordinal].get() : nullptr;
}

bool is_context(const Device* device) {
    for (const auto& each : driver().devices)
        if (each.get() == device)
            return device->retained > 0;
    return false;
}
} // namespace

namespace emulator {

/// The last release of a context destroys all that lives in it, and with it the fault that it died of.
void destroy_context(Device& device) {
    Driver& state = driver();
    std::string left;
    auto destroy = [&](auto& all, const char* what) {
        for (size_t i = all.size(); i-- > 0;) {
            if (all[i]->device != &device)
                continue;
            left += std::string(left.empty() ? "" : ", ") + what;
            if constexpr (std::is_same_v<decltype(all[i]), Module*&>)
                dlclose(all[i]->library);
            delete all[i];
            all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
        }
    };
    for (Stream* stream : state.streams) {
        if (stream->device == &device)
            run_pending(*stream);
    }
    destroy(state.streams, "a stream");
    destroy(state.events, "an event");
    destroy(state.graph_execs, "a graph's executable");
    destroy(state.graphs, "a graph");
    destroy(state.modules, "a module");
    size_t allocations = DeviceMemory::release_all(device.ordinal);
    if (allocations)
        left += std::string(left.empty() ? "" : ", ") + std::to_string(allocations) + " allocations";
    device.allocated_bytes = 0;
    device.sticky_error = 0;
    if (!left.empty())
        note_violation("the context of device " + std::to_string(device.ordinal) + " is destroyed with what still lives in it: " + left);
}

} // namespace emulator

extern "C" {

int cuInit(unsigned flags);
const char* emulatorCallError();

int cuDriverGetVersion(int* version) {
    *version = 12040;
    return CUDA_SUCCESS;
}

int cuDeviceGetCount(int* count) {
    if (int error = enter("cuDeviceGetCount"))
        return error;
    *count = static_cast<int>(driver().devices.size());
    return CUDA_SUCCESS;
}

int cuDeviceGet(CUdevice* device, int ordinal) {
    if (int error = enter("cuDeviceGet"))
        return error;
    *device = ordinal;
    return find(ordinal) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

int cuDeviceGetName(char* name, int capacity, CUdevice ordinal) {
    if (int error = enter("cuDeviceGetName"))
        return error;
    Device* device = find(ordinal);
    if (!device || capacity < 1)
        return device ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    name[device->properties.name.copy(name, capacity - 1)] = 0;
    return CUDA_SUCCESS;
}

int cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice ordinal) {
    if (int error = enter("cuDeviceGetUuid_v2"))
        return error;
    if (!find(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    for (int i = 0; i < 16; i++)
        uuid->bytes[i] = static_cast<unsigned char>(0xE0 + ordinal * 16 + i);
    return CUDA_SUCCESS;
}

int cuDeviceTotalMem_v2(size_t* bytes, CUdevice ordinal) {
    if (int error = enter("cuDeviceTotalMem_v2"))
        return error;
    Device* device = find(ordinal);
    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    *bytes = device->properties.memory_bytes;
    return CUDA_SUCCESS;
}

int cuDeviceGetAttribute(int* value, int attribute, CUdevice ordinal) {
    if (int error = enter("cuDeviceGetAttribute"))
        return error;
    Device* device = find(ordinal);
    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    const DeviceProperties& properties = device->properties;
    switch (attribute) {
    case 1: *value = 1024; break;                                                     // MAX_THREADS_PER_BLOCK
    case 8: *value = 48 << 10; break;                                                 // MAX_SHARED_MEMORY_PER_BLOCK
    case 10: *value = 32; break;                                                      // WARP_SIZE
    case 12: *value = 65536; break;                                                   // MAX_REGISTERS_PER_BLOCK
    case 13: *value = 1755000; break;                                                 // CLOCK_RATE, kHz
    case 16: *value = properties.multiprocessors; break;                              // MULTIPROCESSOR_COUNT
    case 36: *value = 2619000; break;                                                 // MEMORY_CLOCK_RATE, kHz
    case 37: *value = 5120; break;                                                    // GLOBAL_MEMORY_BUS_WIDTH, bits
    case 38: *value = static_cast<int>(properties.l2_bytes); break;                   // L2_CACHE_SIZE
    case 39: *value = static_cast<int>(properties.threads_per_multiprocessor); break; // MAX_THREADS_PER_MULTIPROCESSOR
    case 75: *value = properties.major; break;                                        // COMPUTE_CAPABILITY_MAJOR
    case 76: *value = properties.minor; break;                                        // COMPUTE_CAPABILITY_MINOR
    case 81: *value = static_cast<int>(properties.shared_per_multiprocessor); break;  // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    case 82: *value = 65536; break;                                                   // MAX_REGISTERS_PER_MULTIPROCESSOR
    case 97: *value = static_cast<int>(properties.shared_per_block_optin); break;     // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    case 106: *value = 32; break;                                                     // MAX_BLOCKS_PER_MULTIPROCESSOR
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

int cuDevicePrimaryCtxRetain(void** context, CUdevice ordinal) {
    if (int error = enter("cuDevicePrimaryCtxRetain"))
        return error;
    Device* device = find(ordinal);
    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    std::lock_guard lock(driver().mutex);
    device->retained++;
    *context = device;
    return CUDA_SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(CUdevice ordinal) {
    int fault = enter_release("cuDevicePrimaryCtxRelease_v2");
    Device* device = find(ordinal);
    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    std::lock_guard lock(driver().mutex);
    if (device->retained == 0)
        return refuse(CUDA_ERROR_INVALID_CONTEXT, "a primary context is released more often than it was retained");
    if (--device->retained == 0)
        destroy_context(*device);
    return fault;
}

int cuCtxSetCurrent(void* context) {
    if (int error = enter("cuCtxSetCurrent"))
        return error;
    auto chosen = static_cast<Device*>(context);
    if (chosen && !is_context(chosen))
        return refuse(CUDA_ERROR_INVALID_CONTEXT, "a context is made current that does not exist (any more)");
    current_device() = chosen;
    return CUDA_SUCCESS;
}

int cuGetProcAddress_v2(const char* symbol, void** function, int version, uint64_t, int* status) {
    if (int error = enter("cuGetProcAddress_v2"))
        return error;
    if (!symbol || !function || version < 1000)
        return CUDA_ERROR_INVALID_VALUE;
    // The base name stands for the newest function of that name that the asked version had; here each has only one.
    static void* self = [] {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&cuInit), &info);
        return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    }();
    std::string name = symbol;
    bool newer = name == "cuEventElapsedTime" && version < 13000;
    *function = newer ? nullptr : dlsym(self, (name + "_v2").c_str());
    if (!*function)
        *function = dlsym(self, symbol);
    if (name.rfind("cu", 0) != 0)
        *function = nullptr;
    if (status)
        *status = *function ? 0 : 1;
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

int cuGetErrorName(int error, const char** name) {
    switch (error) {
#define NAME(value) case value: *name = #value; return CUDA_SUCCESS;
        NAME(CUDA_SUCCESS) NAME(CUDA_ERROR_INVALID_VALUE) NAME(CUDA_ERROR_OUT_OF_MEMORY) NAME(CUDA_ERROR_NOT_INITIALIZED)
        NAME(CUDA_ERROR_NO_DEVICE) NAME(CUDA_ERROR_INVALID_DEVICE) NAME(CUDA_ERROR_INVALID_IMAGE) NAME(CUDA_ERROR_INVALID_CONTEXT)
        NAME(CUDA_ERROR_NO_BINARY_FOR_GPU) NAME(CUDA_ERROR_INVALID_HANDLE) NAME(CUDA_ERROR_ILLEGAL_STATE) NAME(CUDA_ERROR_NOT_FOUND)
        NAME(CUDA_ERROR_NOT_READY) NAME(CUDA_ERROR_ILLEGAL_ADDRESS) NAME(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES) NAME(CUDA_ERROR_LAUNCH_TIMEOUT)
        NAME(CUDA_ERROR_ILLEGAL_INSTRUCTION) NAME(CUDA_ERROR_MISALIGNED_ADDRESS) NAME(CUDA_ERROR_LAUNCH_FAILED) NAME(CUDA_ERROR_NOT_SUPPORTED)
        NAME(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) NAME(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
        NAME(CUDA_ERROR_STREAM_CAPTURE_MERGE) NAME(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED) NAME(CUDA_ERROR_STREAM_CAPTURE_UNJOINED)
        NAME(CUDA_ERROR_STREAM_CAPTURE_ISOLATION) NAME(CUDA_ERROR_CAPTURED_EVENT) NAME(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD)
        NAME(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE)
#undef NAME
    default: *name = nullptr; return CUDA_ERROR_INVALID_VALUE;
    }
}

int cuGetErrorString(int error, const char** text) {
    // The emulator knows better than a generic sentence what went wrong.
    *text = emulatorCallError();
    if (!*text)
        return cuGetErrorName(error, text);
    return CUDA_SUCCESS;
}

} // extern "C"
