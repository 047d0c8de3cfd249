// wgmma: products of a warpgroup that read their operands, and write their sums, at any moment between their issue and the wait for their
// group. Each warp does its own 16 of the 64 rows.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include "../device/emulator.h"

namespace emulator {

struct Block;
struct Thread;
struct Warp;

/// What a thread has done of it.
struct WarpgroupThread {
    unsigned committed = 0;           // groups
    bool fenced = false;              // since it last touched sums that it had waited for
    bool fenced_in_group = false;     // since it last committed
};

class WarpProducts {
  public:
    void clear();
    /// All lanes have come to a product.
    void issue(Warp& warp, const EmulatedWgmma* const (&operands)[32]);
    /// A thread waits for all groups but the newest.
    void wait(Thread& thread, unsigned newest_left);
    /// A thread ends: an error while products are under way.
    void finish(const Thread& thread) const;
    /// A block ends: an error unless the four warps of each warpgroup have issued the same products.
    static void finish(const Block& block);

  private:
    /// Sums that are not to be touched: 16 rows, of which each lane holds its elements.
    struct Sums {
        float* fragments[32];
        unsigned columns, last_group, delivered = 0;
        std::vector<float> values;
    };

    struct Product {
        EmulatedWgmma operand;
        const unsigned* a[32];
        Sums* sums;
        unsigned group;
    };

    static void check_operands(const Warp& warp, const EmulatedWgmma* const (&operands)[32]);
    void check_siblings(Warp& warp, const EmulatedWgmma& product);
    Sums& sums_of(Warp& warp, const EmulatedWgmma* const (&operands)[32]);
    void run(const Warp& warp, size_t count);

    std::deque<Product> waiting_;
    std::list<Sums> sums_;
    unsigned issued_ = 0;
    std::vector<EmulatedWgmma> log_;    // of the first warp of a warpgroup: what its warps have issued
};

} // namespace emulator
