// The shadow of one block's shared memory: state, last writer and last readers of every byte.
#pragma once

#include <cstdint>
#include <vector>

#include "device_memory.h"

namespace emulator {

struct Thread;

class SharedShadow {
  public:
    /// Room for the most that a block may have; what lies behind `bytes` is out of bounds.
    static constexpr unsigned kCapacity = 256 * 1024;

    void reset(unsigned bytes, unsigned warps);

    /// Checks an access by a thread and remembers it. An error ends the launch.
    void read(Thread& thread, unsigned offset, unsigned bytes);
    void write(Thread& thread, unsigned offset, unsigned bytes);

    /// From its issue to its wait an asynchronous copy owns its destination.
    void begin_async(Thread& thread, unsigned offset, unsigned bytes);
    /// The copy is complete for the thread that waited: as if it had just written the bytes.
    void end_async(Thread& thread, unsigned offset, unsigned bytes);

  private:
    void check_bounds(unsigned offset, unsigned bytes, const char* what) const;
    void check_last_write(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const;
    void check_last_reads(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const;
    void forget_reads(unsigned offset, unsigned bytes);
    void remember_write(const Thread& thread, unsigned offset, unsigned bytes);

    unsigned bytes_ = 0, warps_ = 0;
    std::vector<uint8_t> states_;
    std::vector<uint16_t> writers_;
    std::vector<uint32_t> write_clocks_;
    std::vector<uint32_t> reader_warps_;                  // a bit for each warp that has read the byte since it was written
    std::vector<std::vector<uint32_t>> read_clocks_;      // [warp][byte]
    std::vector<std::vector<uint32_t>> read_lanes_;       // [warp][byte]: which lanes read at that moment
};

} // namespace emulator
