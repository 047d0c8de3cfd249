// What runs: a launch, its resident blocks, their warps and threads. One host thread runs a launch from beginning to end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../device/emulator.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#include "async_copies.h"
#include "fences.h"
#include "fiber.h"
#include "launch_order.h"
#include "mbarriers.h"
#include "random.h"
#include "shared_shadow.h"
#include "tensor_copies.h"
#include "traffic.h"
#include "vector_clocks.h"
#include "warpgroup_mma.h"

namespace emulator {

struct Block;
struct Cluster;
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
    unsigned clock_index = 0;             // its number in the clocks of the cluster
    bool exited = false;
    Fiber fiber;
    const unsigned char* stack = nullptr;
    const char* waiting_for = nullptr;    // for the report of a deadlock
    unsigned waiting_id = 0;              // of the barrier, where it is one
    AsyncCopies async_copies;
    BulkGroups bulk_groups;
    WarpgroupThread warpgroup;
    Fences fences;
    bool arrived_at_cluster = false;      // and has not waited yet
    unsigned cluster_phase = 0;           // in which it arrived there
    bool waited_for_dependencies = false;
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
    unsigned registers = 0;                       // of each thread: what setmaxnreg says
    bool wants_registers = false;                 // more than there are: the upper half of registers says how many
    WarpProducts products;
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
    unsigned rank = 0;      // in the cluster
    unsigned alive = 0;
    Cluster* cluster = nullptr;
    unsigned clock_base = 0;    // of its first thread, in the clocks of the cluster
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    Barrier barriers[kNamedBarriers];
    std::map<unsigned, MBarrier> mbarriers;    // by their offsets in shared memory
    uint32_t async_writes = 0;                 // tensor copies into its shared memory so far
    int free_registers = 0;                    // that setmaxnreg can hand out
    unsigned char* shared = nullptr;
    SharedShadow shared_shadow;
};

/// Blocks that run at the same time, and can reach each other's shared memory; most launches have clusters of one.
struct Cluster {
    std::vector<Block*> blocks;    // by rank
    unsigned alive = 0;            // threads
    // The clocks of every thread, and of what works beside them: for each block one column for tensor copies into its shared memory, and
    // one for the products of each warp.
    VectorClocks clocks;
    unsigned arrived = 0;          // at barrier.cluster
    std::vector<uint32_t> arrivals_known, known;
    unsigned phase = 0;
    std::vector<Thread*> waiters;
};

/// The columns of a block in its cluster's clocks.
inline unsigned clock_columns(unsigned threads) { return threads + 1 + (threads + kWarpSize - 1) / kWarpSize; }
inline unsigned async_write_column(const Block& block) { return static_cast<unsigned>(block.threads.size()); }
inline unsigned product_column(const Block& block, unsigned warp) { return static_cast<unsigned>(block.threads.size()) + 1 + warp; }

/// What a thread knows of a block's columns.
inline const uint32_t* known_of(const Thread& thread, const Block& block);

inline VectorClocks& clocks_of(const Thread& thread) { return thread.block->cluster->clocks; }
inline uint32_t Thread::clock() const { return clocks_of(*this).own(clock_index); }
inline const uint32_t* known_of(const Thread& thread, const Block& block) {
    return clocks_of(thread).of(thread.clock_index) + block.clock_base;
}
inline Thread& Warp::thread(unsigned lane) const { return threads[lane]; }

/// A kernel as the driver hands it over.
struct LaunchRequest {
    std::string kernel;
    void (*entry)(const void* args) = nullptr;
    const void* args = nullptr;
    size_t args_bytes = 0;
    uint3 grid{}, block{}, cluster{1, 1, 1};
    unsigned shared_bytes = 0;
    unsigned max_threads = 1024;              // of a block: the launch bounds
    LaunchOrder order;
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
    unsigned number = 0;
    bool waited_for_dependencies = false;    // any of its threads
};

struct Launch {
    LaunchRequest request;
    LaunchResult result;
    unsigned number = 0;    // tells this launch's accesses from earlier ones
    Random random;
    bool failed = false;
    Fiber scheduler;
    Thread* running = nullptr;
    bool in_scheduler = false;    // errors are thrown, not left by a switch of fibers
    TensorCopies tensor_copies;
    unsigned elected_lane = 0;    // by elect.sync
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

inline const char kBarSync[] = "bar.sync", kMBarrierWait[] = "mbarrier.try_wait";

/// Takes the running thread off the processor until somebody wakes it.
void park(Thread& thread, const char* waiting_for);
void wake(Thread& thread);
/// Lets other warps run when the seed says so; the thread stays runnable.
void maybe_preempt(Thread& thread);
/// Lets others run: for what a thread may do over and over until somebody else has done something.
void yield(Thread& thread);

/// Thrown by fail() where no fiber runs.
struct LaunchFailure {};

/// A thread of the cluster has ended, or come to barrier.cluster.
void complete_cluster_barrier(Cluster& cluster);

/// Ends the launch with an error that names kernel, block and thread. `code` is a CUresult.
[[noreturn]] void fail(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));

constexpr int kIllegalAddress = 700, kMisalignedAddress = 716, kIllegalInstruction = 715, kLaunchFailed = 719, kLaunchTimeout = 702;

} // namespace emulator
