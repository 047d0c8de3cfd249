// bar.sync and bar.arrive: the named barriers of a block, which order the memory accesses of those who meet there.
#include "execution.h"

namespace emulator {

namespace {
Barrier& enter(unsigned id, unsigned threads, const char* what) {
    Thread& thread = *current_thread();
    if (id >= Block::kNamedBarriers)
        fail(kIllegalInstruction, "executes %s on barrier %u; there are %u", what, id, Block::kNamedBarriers);
    if (threads == 0 || threads % kWarpSize != 0 || threads > thread.block->threads.size())
        fail(kIllegalInstruction, "executes %s for %u threads of a block of %zu; the number is a multiple of 32", what, threads, thread.block->threads.size());
    Barrier& barrier = thread.block->barriers[id];
    if (barrier.arrived && barrier.expected != threads)
        fail(kIllegalInstruction, "executes %s on barrier %u for %u threads, where others wait for %u", what, id, threads, barrier.expected);
    if (barrier.arrived == 0)
        barrier.known.assign(clocks_of(thread).threads(), 0);
    barrier.expected = threads;
    barrier.arrived++;
    clocks_of(thread).join(barrier.known, thread.clock_index);
    clocks_of(thread).advance(thread.clock_index);
    return barrier;
}

/// Everybody who waits learns what everybody who came knows.
void complete(Barrier& barrier, Block& block) {
    for (Thread* thread : barrier.waiters) {
        block.cluster->clocks.learn(thread->clock_index, barrier.known);
        wake(*thread);
    }
    barrier.expected = barrier.arrived = 0;
    barrier.waiters.clear();
}
} // namespace

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_barrier_sync(unsigned id, unsigned threads) {
    Thread& thread = *current_thread();
    Block& block = *thread.block;
    Barrier& barrier = enter(id, threads, kBarSync);
    barrier.waiters.push_back(&thread);
    if (barrier.arrived < threads) {
        thread.waiting_id = id;
        park(thread, kBarSync);
        return;
    }
    complete(barrier, block);
    for (Warp& warp : block.warps)
        count_accesses(warp, block.launch->result.traffic);
    maybe_preempt(thread);
}

void emulator_barrier_arrive(unsigned id, unsigned threads) {
    Thread& thread = *current_thread();
    Barrier& barrier = enter(id, threads, "bar.arrive");
    if (barrier.arrived == threads)
        complete(barrier, *thread.block);
}

} // extern "C"
