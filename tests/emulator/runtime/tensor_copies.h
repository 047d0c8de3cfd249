// Tensor copies (cp.async.bulk.tensor): boxes of a tensor between global and shared memory, at any moment between their issue and the wait.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "tensor_map.h"

namespace emulator {

class Random;
struct Block;
struct Thread;

/// A box of a tensor, and its rows in a linear copy.
struct TensorBox {
    const EncodedTensorMap* map;
    int coordinates[EncodedTensorMap::kMaxRank];
    std::vector<unsigned char> data;
};

/// The loads of a launch that have not landed.
class TensorCopies {
  public:
    /// Starts a load into the same offset of every block of `ranks`; what landed is counted by the mbarrier at the same offset there.
    void load(Thread& thread, TensorBox box, unsigned offset, unsigned barrier_offset, unsigned ranks);
    bool pending() const { return !loads_.empty(); }
    /// Whether loads into a block's shared memory are under way.
    bool pending(const Block& block) const;
    /// Lands one of them, whichever comes.
    void land_any(Random& random);

  private:
    struct Load {
        Thread* issuer;
        TensorBox box;
        unsigned offset, barrier_offset, ranks;
        bool is_read;
    };

    static void write(const Load& load);
    void land(size_t index);

    std::vector<Load> loads_;
};

/// The stores of one thread, in groups.
class BulkGroups {
  public:
    void store(Thread& thread, TensorBox box, unsigned offset);
    void commit() { group_++; }
    /// Of all groups but the newest, the source is read; and, unless `read_only`, the tensor is written.
    void wait(Thread& thread, unsigned newest_left, bool read_only);
    /// The thread ends: an error while sources may still be read.
    void finish(Thread& thread);
    void clear() { stores_.clear(), group_ = 0; }

  private:
    struct Store {
        TensorBox box;
        unsigned offset, group;
        bool is_read, source_is_free, is_written;
    };

    static void read(Thread& thread, Store& store);
    static void write(Thread& thread, Store& store);

    std::deque<Store> stores_;
    unsigned group_ = 0;
};

} // namespace emulator
