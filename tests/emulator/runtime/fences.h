// The moments at which a thread has executed fences.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace emulator {

class FenceMoments {
  public:
    void add(uint32_t moment) { moments_.push_back(moment); }
    void clear() { moments_.clear(); }

    /// Whether somebody who knows of the thread's moments up to `known` knows of a fence at or behind `moment`.
    bool covers(uint32_t moment, uint32_t known) const {
        auto fence = std::lower_bound(moments_.begin(), moments_.end(), moment);
        return fence != moments_.end() && *fence <= known;
    }

  private:
    std::vector<uint32_t> moments_;    // ascending
};

struct Fences {
    FenceMoments proxy;           // fence.proxy.async
    FenceMoments barrier_init;    // fence.mbarrier_init

    void clear() { proxy.clear(), barrier_init.clear(); }
};

} // namespace emulator
