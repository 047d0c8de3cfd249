#include "driver.h"

#include <cstdlib>
#include <cstring>

namespace emulator {

namespace {
thread_local Device* current = nullptr;
thread_local Random seeds(0);
thread_local std::string last_error, call_error;    // of this host thread, and of its last call

/// What a test has asked of this host thread's calls.
struct FaultPlan {
    uint64_t calls = 0, fail_at = 0;
    int result = 0;
    std::string failed;    // the function that was made to fail
};
thread_local FaultPlan faults;
/// The same for all host threads together, where one call of the program under test uses several.
FaultPlan process_faults;
std::mutex process_faults_mutex;

DeviceProperties properties_of(const std::string& architecture) {
    // By the tables of the CUDA Programming Guide; the number of multiprocessors is small so that persistent kernels loop.
    if (architecture == "sm_80")
        return {"Emulated A100", 8, 0, 4, 163 << 10, 164 << 10, 2048, size_t{8} << 30, 40 << 20};
    if (architecture == "sm_89")
        return {"Emulated RTX 4090", 8, 9, 4, 99 << 10, 100 << 10, 1536, size_t{8} << 30, 72 << 20};
    return {"Emulated H200", 9, 0, 4, 227 << 10, 228 << 10, 2048, size_t{8} << 30, 60 << 20};
}

/// Counts a call; the result that it must give instead of its own, or 0.
int planned_fault(const char* function) {
    call_error.clear();
    int result = CUDA_SUCCESS;
    if (++faults.calls == faults.fail_at) {
        faults.failed = function;
        result = faults.result;
    }
    {
        std::lock_guard lock(process_faults_mutex);
        if (++process_faults.calls == process_faults.fail_at) {
            process_faults.failed = function;
            result = process_faults.result;
        }
    }
    if (result != CUDA_SUCCESS)
        remember_error(std::string(function) + " was made to fail by a test");
    return result;
}
} // namespace

Driver& driver() {
    // Never destroyed: finalizers of a managed program may still release handles while the process ends.
    static Driver* instance = new Driver;
    return *instance;
}

const void* this_thread() { return &current; }

Device*& current_device() { return current; }

uint64_t next_seed() { return seeds.next(); }

void remember_error(const std::string& text) { last_error = call_error = text; }

int refuse(int code, const std::string& why) {
    remember_error(why);
    return code;
}

void note_violation(const std::string& text) {
    std::lock_guard lock(driver().mutex);
    driver().violations += text + "\n";
}

int enter(const char* function) {
    if (int error = planned_fault(function))
        return error;
    return driver().initialised ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

int enter_context(const char* function, Device*& device) {
    if (int error = enter(function))
        return error;
    device = current;
    if (!device || device->retained == 0)
        return refuse(CUDA_ERROR_INVALID_CONTEXT, std::string(function) + " is called with no context current");
    return device->sticky_error ? refuse(device->sticky_error, device->sticky_text) : CUDA_SUCCESS;
}

int enter_unsafe(const char* function, Device*& device) {
    if (int error = enter_context(function, device))
        return error;
    return invalidate_captures(function);
}

int enter_release(const char* function) { return planned_fault(function); }

} // namespace emulator

using namespace emulator;

extern "C" {

int cuInit(unsigned flags) {
    if (int error = planned_fault("cuInit"))
        return error;
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    Driver& state = driver();
    std::lock_guard lock(state.mutex);
    if (state.initialised)
        return CUDA_SUCCESS;
    const char* listed = std::getenv("PIXIO_EMULATOR_DEVICES");
    // Two of one kind, because a program that mixes devices up must not get away with it.
    std::string names = listed ? listed : "sm_90,sm_80,sm_89,sm_90";
    for (size_t begin = 0; begin < names.size() && state.devices.size() < DeviceMemory::kMaxDevices;) {
        size_t end = std::min(names.find(',', begin), names.size());
        auto device = std::make_unique<Device>();
        device->ordinal = static_cast<int>(state.devices.size());
        device->properties = properties_of(names.substr(begin, end - begin));
        state.devices.push_back(std::move(device));
        begin = end + 1;
    }
    if (state.devices.empty())
        return CUDA_ERROR_NO_DEVICE;
    state.initialised = true;
    return CUDA_SUCCESS;
}

// What follows is for tests and for the other emulated libraries.

/// The seed of everything that this host thread runs from now on.
void emulatorSetSeed(uint64_t seed) { seeds = Random(seed); }

/// Copies the text of this host thread's last error, with its final zero; returns the bytes it needs.
int emulatorLastError(char* buffer, int capacity) {
    if (buffer && capacity > 0)
        buffer[last_error.copy(buffer, capacity - 1)] = 0;
    return static_cast<int>(last_error.size()) + 1;
}

/// What the emulator has to say of this host thread's last call; null for nothing.
const char* emulatorCallError() { return call_error.empty() ? nullptr : call_error.c_str(); }

/// Makes the n-th call from now on by this host thread fail with a CUresult; 0 for none. Calls are counted from here.
void emulatorFailAt(uint64_t n, int result) { faults = {0, n, result, {}}; }

/// The calls of this host thread since emulatorFailAt.
uint64_t emulatorCallCount() { return faults.calls; }

/// The function that emulatorFailAt made fail; empty when it came to nothing.
int emulatorFailedFunction(char* buffer, int capacity) {
    if (buffer && capacity > 0)
        buffer[faults.failed.copy(buffer, capacity - 1)] = 0;
    return static_cast<int>(faults.failed.size()) + 1;
}

/// As emulatorFailAt, for the calls of all host threads together.
void emulatorFailProcessAt(uint64_t n, int result) {
    std::lock_guard lock(process_faults_mutex);
    process_faults = {0, n, result, {}};
}

/// The calls of all host threads since emulatorFailProcessAt.
uint64_t emulatorProcessCallCount() {
    std::lock_guard lock(process_faults_mutex);
    return process_faults.calls;
}

/// The function that emulatorFailProcessAt made fail; empty when it came to nothing.
int emulatorProcessFailedFunction(char* buffer, int capacity) {
    std::lock_guard lock(process_faults_mutex);
    if (buffer && capacity > 0)
        buffer[process_faults.failed.copy(buffer, capacity - 1)] = 0;
    return static_cast<int>(process_faults.failed.size()) + 1;
}

/// Counts a call of another emulated library; the CUresult for which it must fail, or 0.
int emulatorEnter(const char* function) { return planned_fault(function); }

/// Live handles by their kind, in the order of Kind.
void emulatorLiveHandles(uint64_t* counts) {
    Driver& state = driver();
    std::lock_guard lock(state.mutex);
    uint64_t contexts = 0;
    for (const auto& device : state.devices)
        contexts += device->retained;
    const uint64_t all[] = {contexts, state.streams.size(), state.events.size(), state.modules.size(), DeviceMemory::live_count(),
        state.pinned.size(),
        state.graphs.size(), state.graph_execs.size()};
    static_assert(std::size(all) == static_cast<size_t>(Kind::kCount));
    std::memcpy(counts, all, sizeof all);
}

/// Copies the violations so far, a line each, and forgets them; returns the bytes that were needed.
int emulatorTakeViolations(char* buffer, int capacity) {
    Driver& state = driver();
    std::lock_guard lock(state.mutex);
    int needed = static_cast<int>(state.violations.size()) + 1;
    if (buffer && capacity > 0) {
        buffer[state.violations.copy(buffer, capacity - 1)] = 0;
        state.violations.clear();
    }
    return needed;
}

/// The memory that a device has from now on; returns what it had.
uint64_t emulatorSetMemoryLimit(int ordinal, uint64_t bytes) {
    Driver& state = driver();
    std::lock_guard lock(state.mutex);
    size_t& memory = state.devices.at(ordinal)->properties.memory_bytes;
    uint64_t before = memory;
    memory = bytes;
    return before;
}

} // extern "C"
