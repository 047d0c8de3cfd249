// Which earlier launches are over when a launch begins: all of them, unless it may begin before the one in front of it has ended
// (programmatic stream serialization).
#pragma once

namespace emulator {

struct LaunchOrder {
    bool programmatic = false;
    // Of a programmatic launch: launches before this one are over when it begins.
    unsigned begun_behind = 0;
    // The one in front of it is over once a thread has waited (griddepcontrol.wait), and so are those that this one found to be over.
    unsigned previous = 0, previous_behind = 0;

    /// Whether an earlier launch is over for every thread of launch `number`.
    bool is_over(unsigned earlier, unsigned number) const {
        // Later ones belong to other streams, which something else orders.
        return earlier != number && (!programmatic || earlier < begun_behind || earlier > number);
    }

    /// Whether it is for a thread that has waited or not.
    bool is_over(unsigned earlier, unsigned number, bool waited) const {
        return is_over(earlier, number) || (waited && (earlier == previous || earlier < previous_behind));
    }
};

/// What the next launch on a stream has to know of the last one.
struct LaunchChain {
    unsigned number = 0;         // 0: what came last was no launch
    unsigned begun_behind = 0;   // all before this one were over when it began
    unsigned ended_behind = 0;   // and all before this one when it ended

    /// The order of a launch that may begin early.
    LaunchOrder next() const { return number ? LaunchOrder{true, begun_behind, number, ended_behind} : LaunchOrder{}; }

    void follow(const LaunchOrder& order, unsigned launch, bool waited) {
        number = launch;
        begun_behind = order.programmatic ? order.begun_behind : launch;
        // A launch that never waited for the one in front of it may end before that one does.
        ended_behind = !order.programmatic || waited ? launch : order.begun_behind;
    }
};

} // namespace emulator
