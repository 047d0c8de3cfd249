// Interleaves the threads of a launch: which warp goes on, and which of its lanes first, is decided by the seed.
#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <numeric>
#include <shared_mutex>

#include "execution.h"

namespace emulator {

thread_local Thread* running_thread __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {
thread_local Launch* running_launch __attribute__((tls_model("initial-exec"))) = nullptr;

constexpr unsigned kMaxResidentBlocks = 3, kMaxResidentThreads = 2048;
constexpr unsigned kLastLaunchNumber = 0xFF00;

// Launch numbers are shared by all host threads (fewer than 256 of them launch at once); when they run out, the shadow is cleared while nothing runs.
std::shared_mutex numbering;
std::atomic<unsigned> last_number = 0;

std::shared_lock<std::shared_mutex> enter_numbering() {
    for (;;) {
        {
            std::shared_lock lock(numbering);
            if (last_number < kLastLaunchNumber)
                return lock;
        }
        std::unique_lock alone(numbering);
        if (last_number >= kLastLaunchNumber) {
            DeviceMemory::forget_accesses();
            last_number = 0;
        }
    }
}

void list_ready(Warp& warp) {
    if (!warp.listed && warp.runnable) {
        warp.listed = true;
        warp.block->launch->ready.push_back(&warp);
    }
}

/// A lane of the warp that can run, beginning the search anywhere.
Thread& choose_lane(Warp& warp, Random& random) {
    unsigned start = random.below(kWarpSize);
    unsigned rotated = (warp.runnable >> start) | (start ? warp.runnable << (kWarpSize - start) : 0);
    return warp.thread((start + __builtin_ctz(rotated)) % kWarpSize);
}

void switch_from(Launch& launch, Fiber& from, Thread& to) {
    running_thread = launch.running = &to;
    switch_fiber(from, to.fiber);
}

void to_scheduler(Thread& thread) {
    Launch& launch = *thread.block->launch;
    running_thread = launch.running = nullptr;
    switch_fiber(thread.fiber, launch.scheduler);
}

/// Goes on with another lane of the warp while its turn lasts, else with the scheduler.
void give_way(Thread& thread) {
    Launch& launch = *thread.block->launch;
    Warp& warp = *thread.warp;
    if (warp.runnable && launch.switches_left-- > 0) {
        Thread& next = choose_lane(warp, launch.random);
        if (&next == &thread)
            return;
        switch_from(launch, thread.fiber, next);
    } else {
        to_scheduler(thread);
    }
}

/// The last thread of a block is about to end.
void finish_block(const Block& block) {
    if (block.launch->tensor_copies.pending(block))
        fail(kLaunchFailed, "ends while tensor loads into its block's shared memory are under way");
    for (const auto& [offset, barrier] : block.mbarriers)
        if (barrier.bytes)
            fail(kLaunchFailed, "ends with the mbarrier at %u, which has %lld bytes %s", offset,
                static_cast<long long>(std::abs(barrier.bytes)), barrier.bytes > 0 ? "to come" : "that nobody expected");
    WarpProducts::finish(block);
}

void run_thread(void* argument) {
    Thread& thread = *static_cast<Thread*>(argument);
    Launch& launch = *thread.block->launch;
    launch.request.entry(launch.args);
    if (thread.async_copies.pending())
        fail(kLaunchFailed, "ends with asynchronous copies that nobody waited for");
    thread.bulk_groups.finish(thread);
    thread.warp->products.finish(thread);
    if (thread.block->alive == 1)
        finish_block(*thread.block);
    thread.exited = true;
    thread.warp->runnable &= ~thread.bit();
    thread.warp->alive &= ~thread.bit();
    thread.block->alive--;
    thread.block->cluster->alive--;
    complete_cluster_barrier(*thread.block->cluster);
    if (!thread.warp->alive && thread.warp->logged)
        count_accesses(*thread.warp, launch.result.traffic);
    give_way(thread);
    __builtin_unreachable();
}

/// The blocks that are resident: whole clusters, whose memory is used again.
class ClusterSlots {
  public:
    explicit ClusterSlots(Launch& launch)
        : launch_(launch), threads_(launch.request.block.x * launch.request.block.y * launch.request.block.z) {}

    /// Makes the next cluster of the grid resident.
    void start(unsigned number, std::vector<Block*>& resident) {
        if (free_.empty())
            free_.push_back(make_cluster());
        Cluster& cluster = *free_.back();
        free_.pop_back();
        auto count = static_cast<unsigned>(cluster.blocks.size());
        cluster.clocks.reset(clock_columns(threads_) * count);
        cluster.alive = threads_ * count;
        cluster.arrived = cluster.phase = 0;
        cluster.arrivals_known.clear(), cluster.known.clear(), cluster.waiters.clear();
        const uint3 &size = launch_.request.cluster, &grid = launch_.request.grid;
        uint3 across{grid.x / size.x, grid.y / size.y, 0};
        uint3 first{number % across.x * size.x, number / across.x % across.y * size.y, number / across.x / across.y * size.z};
        for (Block* block : cluster.blocks) {
            unsigned rank = block->rank;
            start_block(*block, {first.x + rank % size.x, first.y + rank / size.x % size.y, first.z + rank / size.x / size.y});
            resident.push_back(block);
        }
    }

    /// A block has ended; whether its cluster has.
    void finish(Block& block) {
        if (block.cluster->alive == 0)
            free_.push_back(block.cluster);
    }

    ~ClusterSlots() {
        for (const auto& block : blocks_)
            ::operator delete[](block->shared, std::align_val_t(1024));
    }

  private:
    void start_block(Block& block, uint3 index) {
        const LaunchRequest& request = launch_.request;
        block.number = index.x + request.grid.x * (index.y + request.grid.y * index.z);
        block.alive = threads_;
        block.mbarriers.clear();
        block.async_writes = 0;
        block.free_registers = 0;
        // NaN in every format, in case that something reads past the shadow.
        std::memset(block.shared, 0xFF, request.shared_bytes);
        block.shared_shadow.reset(block, request.shared_bytes, static_cast<unsigned>(block.warps.size()));
        for (Thread& thread : block.threads) {
            thread.block_index = index;
            thread.exited = false;
            thread.waiting_for = nullptr;
            thread.async_copies.clear();
            thread.bulk_groups.clear();
            thread.fences.clear();
            thread.warpgroup = {};
            thread.arrived_at_cluster = thread.waited_for_dependencies = false;
            prepare_fiber(thread.fiber, const_cast<unsigned char*>(thread.stack), run_thread, &thread);
        }
        for (Warp& warp : block.warps) {
            warp.alive = warp.runnable = kAllLanes;
            warp.logged = warp.open = warp.registers = 0;
            warp.wants_registers = false;
            warp.products.clear();
            list_ready(warp);
        }
    }

    Cluster* make_cluster() {
        const uint3& size = launch_.request.cluster;
        Cluster* cluster = clusters_.emplace_back(std::make_unique<Cluster>()).get();
        for (unsigned rank = 0; rank < size.x * size.y * size.z; rank++) {
            Block* block = make_block();
            block->rank = rank;
            block->cluster = cluster;
            block->clock_base = rank * clock_columns(threads_);
            for (Thread& thread : block->threads)
                thread.clock_index = block->clock_base + thread.index;
            cluster->blocks.push_back(block);
        }
        return cluster;
    }

    Block* make_block() {
        const LaunchRequest& request = launch_.request;
        Block* block = blocks_.emplace_back(std::make_unique<Block>()).get();
        block->launch = &launch_;
        block->threads.resize(threads_);
        block->warps.resize((threads_ + kWarpSize - 1) / kWarpSize);
        block->shared = static_cast<unsigned char*>(::operator new[](SharedShadow::kCapacity, std::align_val_t(1024)));
        for (unsigned i = 0; i < block->warps.size(); i++) {
            Warp& warp = block->warps[i];
            warp.block = block;
            warp.index = i;
            warp.threads = &block->threads[i * kWarpSize];
        }
        for (unsigned i = 0; i < threads_; i++) {
            Thread& thread = block->threads[i];
            thread.block = block;
            thread.index = i;
            thread.lane = i % kWarpSize;
            thread.warp = &block->warps[i / kWarpSize];
            thread.thread_index = {i % request.block.x, i / request.block.x % request.block.y, i / request.block.x / request.block.y};
            thread.stack = stacks_->stack(next_stack_++);
        }
        return block;
    }

    Launch& launch_;
    const unsigned threads_;
    std::vector<std::unique_ptr<Cluster>> clusters_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<Cluster*> free_;
    FiberStacksLease stacks_;
    size_t next_stack_ = 0;
};

/// Lands a tensor copy while no thread runs; an error in it is of the thread that issued it.
void land_tensor_copy(Launch& launch) {
    launch.in_scheduler = true;
    try {
        launch.tensor_copies.land_any(launch.random);
    } catch (const LaunchFailure&) {
    }
    launch.in_scheduler = false;
    running_thread = launch.running = nullptr;
}

void report_deadlock(Launch& launch, const std::vector<Block*>& resident) {
    // One line for each thing that threads wait for, with the first that does.
    std::string text = "kernel " + launch.request.kernel + " hangs:";
    unsigned lines = 0;
    for (const Block* block : resident) {
        const char* last = nullptr;
        unsigned last_id = 0;
        for (const Thread& thread : block->threads) {
            const char* what = thread.exited ? "has ended" : thread.waiting_for;
            unsigned id = what == kBarSync || what == kMBarrierWait ? thread.waiting_id : 0;
            if ((what == last && id == last_id) || lines >= 12)
                continue;
            char line[200];
            if (what == kBarSync) {
                const Barrier& barrier = block->barriers[id];
                std::snprintf(line, sizeof line,
                    " block %u from thread %u on waits for %s on barrier %u, to which %u of %u threads have come;",
                    block->number, thread.index, what, id, barrier.arrived, barrier.expected);
            } else if (what == kMBarrierWait) {
                const MBarrier& barrier = block->mbarriers.at(id);
                std::snprintf(line, sizeof line,
                    " block %u from thread %u on waits for the mbarrier at %u, in whose phase %u %u of %u have still to come, and %lld bytes;",
                    block->number, thread.index, id, barrier.phase, barrier.pending, barrier.expected,
                    static_cast<long long>(barrier.bytes));
            } else {
                std::snprintf(line, sizeof line, " block %u from thread %u on %s%s;", block->number, thread.index, thread.exited ? ""
                    : "waits for ", what);
            }
            text += line;
            last = what;
            last_id = id;
            lines++;
        }
    }
    text.back() = '.';
    launch.result.code = kLaunchTimeout;
    launch.result.error = text;
}
} // namespace

void park(Thread& thread, const char* waiting_for) {
    thread.waiting_for = waiting_for;
    thread.warp->runnable &= ~thread.bit();
    give_way(thread);
    thread.waiting_for = nullptr;
}

void wake(Thread& thread) {
    thread.warp->runnable |= thread.bit();
    list_ready(*thread.warp);
}

void maybe_preempt(Thread& thread) {
    Launch& launch = *thread.block->launch;
    if (launch.random.below(8) == 0)
        to_scheduler(thread);
}

void yield(Thread& thread) { to_scheduler(thread); }

void fail(int code, const char* format, ...) {
    Launch& launch = *running_launch;
    const Thread& thread = *launch.running;
    char what[512], text[768];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const uint3 &block = thread.block_index, &index = thread.thread_index;
    std::snprintf(text, sizeof text, "kernel %s, block (%u, %u, %u), thread (%u, %u, %u) %s", launch.request.kernel.c_str(), block.x, block.y, block.z,
        index.x, index.y, index.z, what);
    launch.result.code = code;
    launch.result.error = text;
    launch.failed = true;
    if (launch.in_scheduler)
        throw LaunchFailure();
    // The fibers are left where they are: nothing in a kernel needs to be undone.
    Fiber abandoned;
    running_thread = launch.running = nullptr;
    switch_fiber(abandoned, launch.scheduler);
    __builtin_unreachable();
}

LaunchResult run_launch(const LaunchRequest& request) {
    auto numbering_lock = enter_numbering();
    Launch launch;
    launch.request = request;
    launch.random = Random(request.seed);
    launch.number = ++last_number;
    launch.args_bytes = std::min(request.args_bytes, sizeof launch.args);
    std::memcpy(launch.args, request.args, launch.args_bytes);
    running_launch = &launch;

    unsigned cluster = request.cluster.x * request.cluster.y * request.cluster.z;
    unsigned threads = request.block.x * request.block.y * request.block.z * cluster;
    uint64_t clusters = static_cast<uint64_t>(request.grid.x) * request.grid.y * request.grid.z / cluster;
    unsigned resident_limit = std::clamp(1 + launch.random.below(kMaxResidentBlocks), 1u, std::max(1u, kMaxResidentThreads / threads));
    resident_limit *= cluster;
    // Clusters start in an order of their own: a stride that shares no factor with their number visits each once.
    uint64_t stride = 1 + launch.random.below(static_cast<uint32_t>(std::min<uint64_t>(clusters, 1000)));
    while (std::gcd(stride, clusters) != 1)
        stride++;
    uint64_t next = launch.random.below(static_cast<uint32_t>(std::min<uint64_t>(clusters, 0xFFFFFFFFu))), started = 0;
    launch.elected_lane = launch.random.below(kWarpSize);

    ClusterSlots slots(launch);
    std::vector<Block*> resident;
    while (!launch.failed) {
        while (resident.size() + cluster <= resident_limit && started < clusters) {
            slots.start(static_cast<unsigned>(next), resident);
            next = (next + stride) % clusters;
            started++;
        }
        if (resident.empty())
            break;
        if (launch.tensor_copies.pending() && (launch.ready.empty() || launch.random.below(4) == 0)) {
            land_tensor_copy(launch);
            continue;
        }
        if (launch.ready.empty()) {
            report_deadlock(launch, resident);
            break;
        }
        unsigned choice = launch.random.below(static_cast<uint32_t>(launch.ready.size()));
        Warp& warp = *launch.ready[choice];
        launch.switches_left = 32 << launch.random.below(5);
        switch_from(launch, launch.scheduler, choose_lane(warp, launch.random));
        if (launch.failed)
            break;
        if (!warp.runnable) {
            warp.listed = false;
            launch.ready.erase(std::find(launch.ready.begin(), launch.ready.end(), &warp));
            if (!warp.alive && warp.block->alive == 0) {
                auto finished = std::find_if(resident.begin(), resident.end(), [&](const Block* block) { return block == warp.block; });
                slots.finish(**finished);
                resident.erase(finished);
            }
        }
    }
    launch.result.number = launch.number;
    running_launch = nullptr;
    running_thread = nullptr;
    return launch.result;
}

} // namespace emulator

using namespace emulator;

extern "C" {

uint3 emulator_thread_index() { return current_thread()->thread_index; }
uint3 emulator_block_index() { return current_thread()->block_index; }
uint3 emulator_block_size() { return current_thread()->block->launch->request.block; }
uint3 emulator_grid_size() { return current_thread()->block->launch->request.grid; }
unsigned char* emulator_shared_memory() { return current_thread()->block->shared; }

} // extern "C"
