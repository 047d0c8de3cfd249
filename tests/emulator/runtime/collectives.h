// Operations that the lanes of a warp execute together.
#pragma once

#include "execution.h"

namespace emulator {

[[noreturn]] void fail_collective(const char* name, unsigned mask, const void* place, const Collective& open);

/// Waits until every lane of `mask` has come to the same operation; the last to arrive runs complete(collective).
template <typename Operand, typename Complete>
inline void together(const char* name, unsigned mask, const void* place, Operand& operand, Complete complete) {
    Thread& thread = *current_thread();
    Warp& warp = *thread.warp;
    if (!(mask & thread.bit())) [[unlikely]]
        fail(kIllegalInstruction, "executes %s with mask %08x, in which its lane %u is not", name, mask, thread.lane);
    Collective* slot = nullptr;
    for (unsigned rest = warp.open; rest; rest &= rest - 1) {
        Collective& open = warp.collectives[__builtin_ctz(rest)];
        if (!(open.mask & mask))
            continue;
        if (open.mask != mask || open.name != name || open.place != place) [[unlikely]]
            fail_collective(name, mask, place, open);
        slot = &open;
    }
    if (!slot) {
        unsigned number = __builtin_ctz(~warp.open);
        if (number >= Warp::kMaxCollectives) [[unlikely]]
            fail(kIllegalInstruction, "executes %s while lanes of its warp wait in %u others: more than the emulator keeps", name,
                Warp::kMaxCollectives);
        slot = &warp.collectives[number];
        slot->name = name, slot->mask = mask, slot->arrived = 0, slot->place = place;
        warp.open |= 1u << number;
    }
    slot->operands[thread.lane] = &operand;
    slot->arrived |= thread.bit();
    if (slot->arrived != mask) {
        park(thread, name);
        return;
    }
    if (mask == kAllLanes && warp.logged)
        count_accesses(warp, thread.block->launch->result.traffic);
    complete(*slot);
    warp.open &= ~(1u << (slot - warp.collectives));
    warp.runnable |= mask;
    maybe_preempt(thread);
}

template <typename Operand>
inline Operand& operand_of(Collective& collective, unsigned lane) {
    return *static_cast<Operand*>(collective.operands[lane]);
}

} // namespace emulator
