// The emulated driver's state. Streams are lazy: what is enqueued runs when somebody waits for it, or earlier if the seed says so.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "../runtime/execution.h"
#include "cuda_types.h"

namespace emulator {

struct DeviceProperties {
    std::string name;
    int major, minor, multiprocessors;
    unsigned shared_per_block_optin, shared_per_multiprocessor, threads_per_multiprocessor;
    size_t memory_bytes, l2_bytes;
};

/// Work of a stream; returns a CUresult.
struct Operation {
    std::string name;
    std::function<int()> run;
};

struct Device;

} // namespace emulator

using emulator::Operation;

struct Event {
    uint64_t recorded = 0, completed = 0;    // how often
    struct Stream* stream = nullptr;         // of the last record
    double completed_at_ms = 0;
};

struct Stream {
    emulator::Device* device = nullptr;
    std::deque<Operation> pending;
    std::mutex running;    // held while an operation runs: operations of one stream never overlap
};

struct Module {
    emulator::Device* device = nullptr;
    void* library = nullptr;
    // Open for as long as the library is: dlopen takes two paths that are the same for one library, and a closed file's number is given again.
    int file = -1;
    uintptr_t image_begin = 0, image_end = 0;
    std::vector<std::unique_ptr<struct Function>> functions;
};

struct Function {
    Module* module = nullptr;
    std::string name;
    void (*entry)(const void*) = nullptr;
    EmulatedKernelInfo info{};
    int max_dynamic_shared = 48 * 1024;
};

namespace emulator {

struct Context;

/// An emulated GPU and its primary context.
struct Device {
    int ordinal = 0;
    DeviceProperties properties;
    int retained = 0;
    int sticky_error = 0;    // a CUresult; a kernel's fault, after which the context is dead
    size_t allocated_bytes = 0;
    std::map<CUdeviceptr, size_t> allocations;
};

struct Driver {
    std::recursive_mutex mutex;
    bool initialised = false;
    std::vector<std::unique_ptr<Device>> devices;
    std::unordered_set<Stream*> streams;
    std::unordered_set<Event*> events;
    std::unordered_set<Module*> modules;
    std::map<void*, size_t> pinned;
    std::string last_error;
};

Driver& driver();

/// The seed of what this host thread runs; the same seed gives the same interleaving.
uint64_t next_seed();

/// Called at the top of every entry point: counts it and may make it fail. 0, or the CUresult to return.
int enter(const char* function);
/// As above, for functions that need a current context which is not dead.
int enter_context(const char* function, Device*& device);

/// The device whose context is current on this host thread; null for none.
Device*& current_device();

void remember_error(const std::string& text);

/// Runs operations of a stream until `done` says so, or none is left.
int drain(Stream& stream, const std::function<bool()>& done = [] { return false; });
/// Enqueues, and perhaps runs something already.
int enqueue(Stream* stream, Operation operation);

} // namespace emulator
