// What blocks of a cluster and warpgroups do together: barrier.cluster, elect.sync, setmaxnreg; and griddepcontrol.
#include <cstring>

#include "collectives.h"
#include "memory_access.h"

namespace emulator {

void complete_cluster_barrier(Cluster& cluster) {
    if (cluster.arrived == 0 || cluster.arrived < cluster.alive)
        return;
    cluster.arrived = 0;
    cluster.phase++;
    cluster.known = cluster.arrivals_known;
    cluster.arrivals_known.assign(cluster.clocks.threads(), 0);
    for (Thread* thread : cluster.waiters)
        wake(*thread);
    cluster.waiters.clear();
}

namespace {
constexpr unsigned kRegistersOfBlock = 65536, kLeast = 24, kMost = 256;

/// Hands out what is free, in the order of the warps.
void grant_registers(Block& block) {
    for (Warp& warp : block.warps) {
        if (!warp.wants_registers)
            continue;
        unsigned wanted = warp.registers >> 16, now = warp.registers & 0xFFFF;
        int more = static_cast<int>(wanted - now) * static_cast<int>(kWarpSize);
        if (more > block.free_registers)
            continue;
        block.free_registers -= more;
        warp.registers = wanted;
        warp.wants_registers = false;
        for (unsigned lane = 0; lane < kWarpSize; lane++)
            wake(warp.thread(lane));
    }
}

void set_registers(Warp& warp, unsigned count, bool increase) {
    Block& block = *warp.block;
    if (count < kLeast || count > kMost || count % 8)
        fail(kIllegalInstruction, "executes setmaxnreg %u: a multiple of 8 from %u to %u is possible", count, kLeast, kMost);
    if (warp.registers == 0)
        warp.registers = kRegistersOfBlock / block.launch->request.max_threads / 8 * 8;
    if (increase ? count < warp.registers : count > warp.registers)
        fail(kIllegalInstruction, "executes setmaxnreg.%s %u with %u registers", increase ? "inc" : "dec", count, warp.registers);
    if (increase) {
        warp.registers |= count << 16;
        warp.wants_registers = true;
    } else {
        block.free_registers += static_cast<int>((warp.registers - count) * kWarpSize);
        warp.registers = count;
    }
    grant_registers(block);
}
} // namespace

} // namespace emulator

using namespace emulator;

extern "C" {

unsigned emulator_cluster_rank() { return current_thread()->block->rank; }

void emulator_cluster_arrive() {
    Thread& thread = *current_thread();
    Cluster& cluster = *thread.block->cluster;
    if (thread.arrived_at_cluster)
        fail(kIllegalInstruction, "arrives at barrier.cluster a second time without waiting there");
    thread.arrived_at_cluster = true;
    thread.cluster_phase = cluster.phase;
    cluster.clocks.join(cluster.arrivals_known, thread.clock_index);
    cluster.clocks.advance(thread.clock_index);
    cluster.arrived++;
    complete_cluster_barrier(cluster);
}

void emulator_cluster_wait() {
    Thread& thread = *current_thread();
    Cluster& cluster = *thread.block->cluster;
    if (!thread.arrived_at_cluster)
        fail(kIllegalInstruction, "waits at barrier.cluster without having arrived there");
    unsigned phase = thread.cluster_phase;
    while (cluster.phase == phase) {
        cluster.waiters.push_back(&thread);
        park(thread, "barrier.cluster");
    }
    thread.arrived_at_cluster = false;
    cluster.clocks.learn(thread.clock_index, cluster.known);
    maybe_preempt(thread);
}

unsigned emulator_map_shared_rank(unsigned address, unsigned rank) {
    const Thread& thread = *current_thread();
    if (rank >= thread.block->cluster->blocks.size())
        fail(kIllegalAddress, "executes mapa for block %u of a cluster of %zu", rank, thread.block->cluster->blocks.size());
    return own_shared_offset(thread, address, 1, "mapa") + thread.block->launch->request.shared_address_base + ((rank + 1) << kRankShift);
}

EmulatedWords4 emulator_load_cluster16(unsigned address) {
    Thread& thread = *current_thread();
    const Cluster& cluster = *thread.block->cluster;
    unsigned rank = address >> kRankShift, local = address & ((1u << kRankShift) - 1);
    if (rank == 0 || rank > cluster.blocks.size())
        fail(kIllegalAddress, "executes ld.shared::cluster with %08x, which is no address in a cluster of %zu", address, cluster.blocks.size());
    Block& owner = *cluster.blocks[rank - 1];
    if (owner.alive == 0)
        fail(kIllegalAddress, "executes ld.shared::cluster on shared memory of block %u of its cluster, which has ended", owner.rank);
    unsigned offset = own_shared_offset(thread, local, 16, "ld.shared::cluster");
    unsigned char* pointer = owner.shared + offset;
    log_access(thread, pointer, 16, AccessKind::kReadShared, __builtin_return_address(0));
    if (&owner == thread.block)
        owner.shared_shadow.read(thread, offset, 16);
    else
        owner.shared_shadow.read_from_cluster(thread, offset);
    EmulatedWords4 value;
    std::memcpy(&value, pointer, 16);
    maybe_preempt(thread);
    return value;
}

bool emulator_elect() {
    int nothing = 0;
    together("elect.sync", kAllLanes, __builtin_return_address(0), nothing, [](Collective&) {});
    // Always the same lane, but nobody knows which.
    const Thread& thread = *current_thread();
    return thread.lane == thread.block->launch->elected_lane;
}

void emulator_set_max_registers(unsigned count, bool increase) {
    Thread& thread = *current_thread();
    int nothing = 0;
    together(increase ? "setmaxnreg.inc" : "setmaxnreg.dec", kAllLanes, __builtin_return_address(0), nothing,
        [&](Collective&) { set_registers(*current_thread()->warp, count, increase); });
    while (thread.warp->wants_registers)
        park(thread, "setmaxnreg.inc");
}

void emulator_dependency_wait() {
    Thread& thread = *current_thread();
    thread.waited_for_dependencies = true;
    thread.block->launch->result.waited_for_dependencies = true;
    maybe_preempt(thread);
}

void emulator_launch_dependents() {}

} // extern "C"
