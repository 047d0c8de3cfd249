// Operations that the lanes of a warp execute together.
#pragma once

#include "execution.h"

namespace emulator {

/// Waits until every lane of `mask` has come to the same operation; the last to arrive runs complete(collective).
template <typename Operand, typename Complete>
void together(const char* name, unsigned mask, const void* place, Operand& operand, Complete complete) {
    Thread& thread = *current_thread();
    Warp& warp = *thread.warp;
    if (!(mask & thread.bit()))
        fail(kIllegalInstruction, "executes %s with mask %08x, in which its lane %u is not", name, mask, thread.lane);
    Collective* slot = nullptr;
    for (Collective& open : warp.collectives) {
        if (!open.name || !(open.mask & mask))
            continue;
        if (open.mask != mask || open.name != name || open.place != place)
            fail(kIllegalInstruction, "executes %s with mask %08x while lanes %08x of its warp wait in %s with mask %08x%s", name, mask, open.arrived,
                open.name, open.mask, open.name == name && open.mask == mask ? " elsewhere in the code" : "");
        slot = &open;
    }
    if (!slot) {
        for (Collective& free : warp.collectives)
            slot = free.name ? slot : &free;
        if (!slot)
            slot = &warp.collectives.emplace_back();
        *slot = {name, mask, 0, place, {}};
    }
    slot->operands[thread.lane] = &operand;
    slot->arrived |= thread.bit();
    if (slot->arrived != mask) {
        park(thread, name);
        return;
    }
    if (mask == kAllLanes)
        count_accesses(warp, thread.block->launch->result.traffic);
    complete(*slot);
    slot->name = nullptr;
    warp.runnable |= mask;
    maybe_preempt(thread);
}

template <typename Operand>
Operand& operand_of(Collective& collective, unsigned lane) {
    return *static_cast<Operand*>(collective.operands[lane]);
}

} // namespace emulator
