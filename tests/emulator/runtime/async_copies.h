// cp.async: copies that land at any moment between their issue and the wait for their group, as the seed decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace emulator {

struct Thread;

struct AsyncCopy {
    unsigned shared_offset, bytes, valid, group;
    const unsigned char* global;
    bool read_early, written_early;
    unsigned char data[16];
};

/// The copies that one thread has issued and not yet waited for, oldest first.
class AsyncCopies {
  public:
    void issue(Thread& thread, void* shared, const void* global, unsigned bytes, unsigned valid, const void* place);
    void commit() { group_++; }
    void wait(Thread& thread, unsigned newest_left);
    bool pending() const { return first_ < copies_.size(); }
    void clear() { copies_.clear(), first_ = 0, group_ = 0; }

  private:
    void land(Thread& thread, AsyncCopy& copy);

    std::vector<AsyncCopy> copies_;
    size_t first_ = 0;
    unsigned group_ = 0;    // that copies join now; those before it are committed
};

} // namespace emulator
