// The emulated driver's state. Streams are lazy: what is enqueued runs when somebody waits for it, or earlier if the seed says so.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../runtime/device_memory.h"
#include "../runtime/execution.h"
#include "cuda_types.h"

namespace emulator {

struct DeviceProperties {
    std::string name;
    int major, minor, multiprocessors;
    unsigned shared_per_block_optin, shared_per_multiprocessor, threads_per_multiprocessor;
    size_t memory_bytes, l2_bytes;
};

/// An emulated GPU and its primary context.
struct Device {
    int ordinal = 0;
    DeviceProperties properties;
    int retained = 0;
    int sticky_error = 0;    // a CUresult; a kernel's fault, after which the context is dead
    std::string sticky_text;
    size_t allocated_bytes = 0;
};

/// The kinds of handles, in the order in which tests read their live counts.
enum class Kind { kContext, kStream, kEvent, kModule, kDeviceMemory, kPinnedMemory, kGraph, kGraphExec, kCount };

struct Capture;

} // namespace emulator

struct Handle {
    emulator::Device* device = nullptr;
};

struct Module : Handle {
    void* library = nullptr;
    int file = -1;    // open as long as the library is: the loader takes two files of one path for the same, and the path has this number
    uintptr_t image_begin = 0, image_end = 0;
    std::vector<std::unique_ptr<struct Function>> functions;
};

struct Function {
    Module* module = nullptr;
    std::string name;
    void (*entry)(const void*) = nullptr;
    EmulatedKernelInfo info{};
    int max_dynamic_shared = 48 * 1024;
    bool allows_large_clusters = false;
};

struct Event : Handle {
    uint64_t recorded = 0, completed = 0;    // how often
    struct Stream* stream = nullptr;         // of the last record
    double completed_at_ms = 0;
    bool timed = false;
    // Recorded in a capture, it stands for nodes of a graph instead.
    std::shared_ptr<emulator::Capture> capture;
    std::vector<unsigned> captured_after;
};

namespace emulator {

enum class WorkKind { kLaunch, kCopyToDevice, kCopyToHost, kCopyWithin, kMemset, kRecord, kWait, kGraph, kLibrary };

struct GraphBody;

/// What another emulated library puts on a stream: run(argument), then release(argument) once nobody can run it again.
struct LibraryCall {
    int (*run)(void* argument) = nullptr;
    std::shared_ptr<void> argument;
};

/// Work of a stream, or of a graph's node.
struct Work {
    WorkKind kind;
    const char* name = "";
    // launches
    Function* function = nullptr;
    uint3 grid{}, block{}, cluster{1, 1, 1};
    unsigned shared_bytes = 0;
    bool programmatic = false;    // may begin before the launch in front of it has ended
    std::vector<unsigned char> args{};
    // copies and memsets
    CUdeviceptr destination = 0, source = 0;
    void* host = nullptr;
    size_t bytes = 0;
    unsigned char value = 0;
    std::vector<unsigned char> staged{};  // of pageable memory, which the driver reads before it returns
    // events
    Event* event = nullptr;
    uint64_t record = 0;
    ::Stream* awaited = nullptr;          // of a wait: the stream of that record

    std::shared_ptr<const GraphBody> graph{};
    LibraryCall call{};
    std::vector<uintptr_t> uses{};        // the starts of the device and pinned memory that it touches
};

struct GraphBody {
    struct Node {
        Work work;
        std::vector<unsigned> after;    // nodes that must have ended
        const struct ::GraphNode* origin = nullptr;
    };
    std::vector<Node> nodes;
};

} // namespace emulator

struct Stream : Handle {
    std::deque<emulator::Work> pending;
    std::mutex running;    // held while an operation runs: operations of one stream never overlap
    std::shared_ptr<emulator::Capture> capture;
    std::vector<unsigned> frontier;    // within a capture: the nodes behind which the next one comes
    const void* owner = nullptr;       // the host thread that made it
    emulator::LaunchChain chain;       // what ran last
};

struct GraphNode {
    struct Graph* graph = nullptr;
    unsigned index = 0;
    void* parameter = nullptr;    // where its arguments lie, for who asks
};

struct Graph : Handle {
    emulator::GraphBody body;
    std::vector<std::unique_ptr<GraphNode>> handles;
};

struct GraphExec : Handle {
    std::shared_ptr<const emulator::GraphBody> body;
};

namespace emulator {

constexpr int kCaptureGlobal = 0, kCaptureThreadLocal = 1, kCaptureRelaxed = 2;

/// The recording of work that spreads from one stream to those that wait for its events.
struct Capture {
    Stream* origin = nullptr;
    int mode = kCaptureGlobal;
    const void* owner = nullptr;    // the host thread that began it
    bool invalidated = false;
    std::unique_ptr<Graph> graph = std::make_unique<Graph>();
    std::vector<Stream*> streams;
};

struct Driver {
    std::recursive_mutex mutex;
    bool initialised = false;
    std::vector<std::unique_ptr<Device>> devices;
    std::vector<Stream*> streams;    // in the order of their making
    std::vector<Event*> events;
    std::vector<Module*> modules;
    std::vector<Graph*> graphs;
    std::vector<GraphExec*> graph_execs;
    std::vector<std::shared_ptr<Capture>> captures;
    std::map<uintptr_t, std::pair<size_t, Device*>> pinned;
    std::string violations;    // what a program does that works, but must not be done here; a line each
};

Driver& driver();

/// A name for the calling host thread.
const void* this_thread();

/// The seed of what this host thread runs; the same seed gives the same interleaving.
uint64_t next_seed();

/// Called at the top of every entry point: counts it and may make it fail. 0, or the CUresult to return.
int enter(const char* function);
/// As above, for functions that need a current context which is not dead.
int enter_context(const char* function, Device*& device);
/// As above, for functions that wait or may wait, or that allocate: those invalidate the captures that forbid it.
int enter_unsafe(const char* function, Device*& device);
/// For functions that destroy: they do so even when they report an error, which then is that of earlier work.
int enter_release(const char* function);

/// The device whose context is current on this host thread; null for none.
Device*& current_device();

/// Keeps a sentence for emulatorLastError and cuGetErrorString of this host thread.
void remember_error(const std::string& text);
int refuse(int code, const std::string& why);
void note_violation(const std::string& text);

template <typename T>
bool is_live(const std::vector<T*>& all, const T* one) {
    for (const T* each : all)
        if (each == one)
            return true;
    return false;
}

template <typename T>
void forget(std::vector<T*>& all, const T* one) {
    for (size_t i = 0; i < all.size(); i++)
        if (all[i] == one)
            return void(all.erase(all.begin() + static_cast<std::ptrdiff_t>(i)));
}

/// 0 when the handle lives and belongs to the device.
template <typename T>
int check_handle(const std::vector<T*>& all, const T* one, const Device* device, const char* what) {
    std::lock_guard lock(driver().mutex);
    if (!is_live(all, one))
        return refuse(CUDA_ERROR_INVALID_HANDLE, std::string("a call is given ") + what + " that does not exist (any more)");
    if (one->device != device)
        return refuse(CUDA_ERROR_INVALID_HANDLE, std::string("a call is given ") + what + " of device "
            + std::to_string(one->device->ordinal)
            + " while device " + std::to_string(device->ordinal) + " is current");
    return CUDA_SUCCESS;
}

/// Runs the first operations of a stream, until `count` are done or none is left. The CUresult of a dead context, or 0.
int run_pending(Stream& stream, size_t count = SIZE_MAX);
/// Runs operations of a stream until an event's record has completed.
int run_until(Stream& stream, const Event* event, uint64_t record);
/// Enqueues, and perhaps runs something already; within a capture it records. The stream's handle is checked.
int enqueue(Stream* stream, Device* device, Work work);

/// Runs all streams in which work waits that touches this memory, and says so in the violations.
void settle_uses(uintptr_t memory, const char* what);
/// As above, for launches of a module's functions.
void settle_uses(const Module& module);

/// `chain` is what ran in front of it, and becomes what a launch behind it follows.
int run_work(Work& work, Device& device, LaunchChain& chain);
int run_launch_work(const Work& work, Device& device, LaunchChain& chain);
int run_memory_work(const Work& work, Device& device);
int run_graph(const GraphBody& body, Device& device);

/// A launch, once its function, geometry and arguments are found to be in order.
int make_launch(Work& work, Device& device, Function* function, const uint3& grid, const uint3& block, unsigned shared_bytes,
    void** arguments);
/// What the attributes of a launch say.
int set_attributes(Work& work, const Device& device, const CUlaunchConfig& config);

/// Marks the captures that forbid unsafe calls here as invalid; 0 when there are none.
int invalidate_captures(const char* function);
/// Adds a node to the graph that a stream records into.
int record_node(Stream& stream, Work work);
int capture_wait(Stream& stream, Event& event);

/// Finds the allocation of a range of the device's memory; a CUresult with its sentence when there is none.
int check_device_range(const Device& device, CUdeviceptr pointer, size_t bytes, const char* what, uintptr_t& start);
/// The start of the pinned memory that holds the range, or 0 for pageable memory.
uintptr_t pinned_start(const void* pointer, size_t bytes);
void destroy_context(Device& device);

} // namespace emulator
