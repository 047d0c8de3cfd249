// A small generator of pseudo-random numbers (splitmix64): everything that the hardware may do in either order is decided by its seed.
#pragma once

#include <cstdint>

namespace emulator {

class Random {
  public:
    explicit Random(uint64_t seed = 0) : state_(seed) {}

    uint64_t next() {
        uint64_t z = state_ += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

    /// From 0 to count - 1.
    uint32_t below(uint32_t count) { return static_cast<uint32_t>((next() >> 32) * count >> 32); }

    bool coin() { return next() >> 63; }

  private:
    uint64_t state_;
};

} // namespace emulator
