// Which thread of a block has seen how much of every other: the happens-before order that barriers make.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace emulator {

/// clock(t)[u] is the last moment of thread u that is ordered before what thread t does now. A thread's own moment advances whenever it
/// passes its knowledge on, so that what it does afterwards is not covered by it.
class VectorClocks {
  public:
    void reset(unsigned threads) {
        threads_ = threads;
        clocks_.assign(static_cast<size_t>(threads) * threads, 0);
        for (unsigned thread = 0; thread < threads; thread++)
            of(thread)[thread] = 1;
    }

    uint32_t* of(unsigned thread) { return clocks_.data() + static_cast<size_t>(thread) * threads_; }
    const uint32_t* of(unsigned thread) const { return clocks_.data() + static_cast<size_t>(thread) * threads_; }

    uint32_t own(unsigned thread) const { return of(thread)[thread]; }

    bool ordered(unsigned before, uint32_t moment, unsigned after) const { return of(after)[before] >= moment; }

    void join(std::vector<uint32_t>& into, unsigned thread) const {
        into.resize(threads_);
        const uint32_t* from = of(thread);
        for (unsigned i = 0; i < threads_; i++)
            into[i] = std::max(into[i], from[i]);
    }

    /// What is known may be nothing: an empty list.
    void learn(unsigned thread, const std::vector<uint32_t>& known) {
        uint32_t* mine = of(thread);
        for (unsigned i = 0; i < known.size(); i++)
            mine[i] = std::max(mine[i], known[i]);
    }

    /// That one thing is known: a moment of a column.
    void learn(unsigned thread, unsigned column, uint32_t moment) { of(thread)[column] = std::max(of(thread)[column], moment); }

    void advance(unsigned thread) { of(thread)[thread]++; }

    unsigned threads() const { return threads_; }

    /// Zeros to join into, for the time of one operation.
    std::vector<uint32_t>& scratch() {
        scratch_.assign(threads_, 0);
        return scratch_;
    }

  private:
    unsigned threads_ = 0;
    std::vector<uint32_t> clocks_, scratch_;
};

} // namespace emulator
