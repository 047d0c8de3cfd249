// What runs: a launch, its resident blocks, their warps and threads. One host thread runs a launch from beginning to end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../device/emulator.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#include "async_copies.h"
#include "fiber.h"
#include "random.h"
#include "shared_shadow.h"
#include "traffic.h"
#include "vector_clocks.h"

namespace emulator {

struct Block;
struct Launch;
struct Warp;

constexpr unsigned kWarpSize = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

/// A CUDA thread: a fiber, and what it waits for.
struct Thread {
    uint3 thread_index{}, block_index{};
    Block* block = nullptr;
    Warp* warp = nullptr;
    unsigned index = 0, lane = 0;
    bool exited = false;
    Fiber fiber;
    const unsigned char* stack = nullptr;
    const char* waiting_for = nullptr;    // for the report of a deadlock
    unsigned waiting_id = 0;              // of the barrier, where it is one
    AsyncCopies async_copies;
    std::vector<Access> accesses;         // since the warp was last together

    unsigned bit() const { return 1u << lane; }
    uint32_t clock() const;
};

/// An operation that some lanes of a warp execute together; the last lane to arrive performs it.
struct Collective {
    const char* name;
    unsigned mask, arrived;
    const void* place;
    void* operands[kWarpSize];
};

struct Warp {
    static constexpr unsigned kMaxCollectives = 16;    // that lanes of disjoint masks may be in at once

    Block* block = nullptr;
    Thread* threads = nullptr;                    // of lane 0
    unsigned index = 0;
    unsigned runnable = 0, alive = 0, logged = 0; // bits of lanes; logged: with accesses that are not counted yet
    bool listed = false;                          // among the launch's ready warps
    unsigned open = 0;                            // bits of the collectives in which lanes wait
    Collective collectives[kMaxCollectives];

    Warp() {}    // leaves the collectives as they are

    Thread& thread(unsigned lane) const;
};

struct Barrier {
    unsigned expected = 0, arrived = 0;
    std::vector<Thread*> waiters;
    std::vector<uint32_t> known;    // what those who came knew when they came
};

struct Block {
    static constexpr unsigned kNamedBarriers = 16;

    Launch* launch = nullptr;
    unsigned number = 0;    // in the grid, x fastest
    unsigned alive = 0;
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    Barrier barriers[kNamedBarriers];
    VectorClocks clocks;
    unsigned char* shared = nullptr;
    SharedShadow shared_shadow;
};

inline uint32_t Thread::clock() const { return block->clocks.own(index); }
inline Thread& Warp::thread(unsigned lane) const { return threads[lane]; }

/// A kernel as the driver hands it over.
struct LaunchRequest {
    std::string kernel;
    void (*entry)(const void* args) = nullptr;
    const void* args = nullptr;
    size_t args_bytes = 0;
    uint3 grid{}, block{};
    unsigned shared_bytes = 0;
    unsigned shared_address_base = 0;         // of the first byte of a block's shared memory
    uintptr_t image_begin = 0, image_end = 0; // where the kernel's constants lie
    int device = 0;
    uint64_t seed = 0;
    bool count_traffic = true;
};

/// What happened: empty text for a launch that went well.
struct LaunchResult {
    int code = 0;    // a CUresult
    std::string error;
    Traffic traffic;
};

struct Launch {
    LaunchRequest request;
    LaunchResult result;
    unsigned number = 0;    // tells this launch's accesses from earlier ones
    Random random;
    bool failed = false;
    Fiber scheduler;
    Thread* running = nullptr;
    std::vector<Warp*> ready;
    size_t args_bytes = 0;
    alignas(128) unsigned char args[4096];
    int switches_left = 0;    // until the scheduler chooses another warp
};

// In the thread's own block of the process, where reading it takes one instruction.
extern thread_local Thread* running_thread __attribute__((tls_model("initial-exec")));

/// The thread that runs on this host thread now; null outside of kernels.
inline Thread* current_thread() { return running_thread; }

/// Runs a kernel to its end, or to its first error.
LaunchResult run_launch(const LaunchRequest& request);

inline const char kBarSync[] = "bar.sync";

/// Takes the running thread off the processor until somebody wakes it.
void park(Thread& thread, const char* waiting_for);
void wake(Thread& thread);
/// Lets other warps run when the seed says so; the thread stays runnable.
void maybe_preempt(Thread& thread);
/// Lets others run: for what a thread may do over and over until somebody else has done something.
void yield(Thread& thread);

/// Ends the launch with an error that names kernel, block and thread. `code` is a CUresult.
[[noreturn]] void fail(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));

constexpr int kIllegalAddress = 700, kMisalignedAddress = 716, kIllegalInstruction = 715, kLaunchFailed = 719, kLaunchTimeout = 702;

} // namespace emulator
