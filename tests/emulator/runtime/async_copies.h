// cp.async: copies that land at any moment between their issue and the wait for their group, as the seed decides.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace emulator {

struct Thread;

struct AsyncCopy {
    unsigned shared_offset, bytes, valid;
    const unsigned char* global;
    bool read_early, written_early;
    unsigned char data[16];
};

/// The copies that one thread has issued and not yet waited for.
class AsyncCopies {
  public:
    void issue(Thread& thread, void* shared, const void* global, unsigned bytes, unsigned valid);
    void commit();
    void wait(Thread& thread, unsigned newest_left);
    bool pending() const { return !open_.empty() || !groups_.empty(); }
    void clear() { open_.clear(), groups_.clear(); }

  private:
    void land(Thread& thread, std::vector<AsyncCopy>& group);

    std::vector<AsyncCopy> open_;
    std::deque<std::vector<AsyncCopy>> groups_;
};

} // namespace emulator
