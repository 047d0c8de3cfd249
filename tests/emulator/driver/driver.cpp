#include "driver.h"

#include <cstdlib>
#include <sstream>

namespace emulator {

namespace {
thread_local Device* current = nullptr;
thread_local Random seeds(0);

DeviceProperties properties_of(const std::string& architecture) {
    // By the tables of the CUDA Programming Guide; the number of multiprocessors is small so that persistent kernels loop.
    if (architecture == "sm_80")
        return {"Emulated A100", 8, 0, 4, 163 << 10, 164 << 10, 2048, size_t{8} << 30, 40 << 20};
    if (architecture == "sm_89")
        return {"Emulated RTX 4090", 8, 9, 4, 99 << 10, 100 << 10, 1536, size_t{8} << 30, 72 << 20};
    return {"Emulated H200", 9, 0, 4, 227 << 10, 228 << 10, 2048, size_t{8} << 30, 60 << 20};
}
} // namespace

Driver& driver() {
    static Driver instance;
    return instance;
}

Device*& current_device() { return current; }

uint64_t next_seed() { return seeds.next(); }

void remember_error(const std::string& text) {
    std::lock_guard lock(driver().mutex);
    driver().last_error = text;
}

int enter(const char*) { return driver().initialised ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED; }

int enter_context(const char* function, Device*& device) {
    if (int error = enter(function))
        return error;
    device = current;
    if (!device || device->retained == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    return device->sticky_error;
}

int drain(Stream& stream, const std::function<bool()>& done) {
    Driver& state = driver();
    while (!done()) {
        std::lock_guard running(stream.running);
        Operation operation;
        {
            std::lock_guard lock(state.mutex);
            if (stream.pending.empty())
                break;
            operation = std::move(stream.pending.front());
            stream.pending.pop_front();
        }
        if (stream.device->sticky_error)
            continue;
        if (int error = operation.run())
            stream.device->sticky_error = error;
    }
    return stream.device->sticky_error;
}

int enqueue(Stream* stream, Operation operation) {
    {
        std::lock_guard lock(driver().mutex);
        stream->pending.push_back(std::move(operation));
    }
    // The device may be as fast as the host, or far behind it.
    if (Random(next_seed()).below(4) == 0)
        drain(*stream, [left = 2]() mutable { return left-- == 0; });
    return CUDA_SUCCESS;
}

} // namespace emulator

using namespace emulator;

extern "C" {

int cuInit(unsigned flags) {
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    Driver& state = driver();
    std::lock_guard lock(state.mutex);
    if (state.initialised)
        return CUDA_SUCCESS;
    const char* listed = std::getenv("PIXIO_EMULATOR_DEVICES");
    std::stringstream names(listed ? listed : "sm_90,sm_80,sm_89");
    for (std::string name; std::getline(names, name, ',') && state.devices.size() < DeviceMemory::kMaxDevices;) {
        auto device = std::make_unique<Device>();
        device->ordinal = static_cast<int>(state.devices.size());
        device->properties = properties_of(name);
        state.devices.push_back(std::move(device));
    }
    if (state.devices.empty())
        return CUDA_ERROR_NO_DEVICE;
    state.initialised = true;
    return CUDA_SUCCESS;
}

/// For tests: the seed of everything that this host thread runs from now on.
void emulatorSetSeed(uint64_t seed) { seeds = Random(seed); }

/// For tests: copies the text of the last error, with its final zero; returns the bytes it needs.
int emulatorLastError(char* buffer, int capacity) {
    std::lock_guard lock(driver().mutex);
    const std::string& text = driver().last_error;
    if (buffer && capacity > 0)
        buffer[text.copy(buffer, capacity - 1)] = 0;
    return static_cast<int>(text.size()) + 1;
}

} // extern "C"
