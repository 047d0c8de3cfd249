// The shadow of one block's shared memory: state, last writer and last readers of every byte.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "device_memory.h"

namespace emulator {

struct Block;
struct Thread;

class SharedShadow {
  public:
    /// Room for the most that a block may have; what lies behind `bytes` is out of bounds.
    static constexpr unsigned kCapacity = 256 * 1024;

    void reset(const Block& block, unsigned bytes, unsigned warps);

    /// Checks an access by a thread and remembers it. An error ends the launch.
    void read(Thread& thread, unsigned offset, unsigned bytes);
    void write(Thread& thread, unsigned offset, unsigned bytes);
    /// As read, of a line by a thread of another block of the cluster.
    void read_from_cluster(const Thread& thread, unsigned offset);
    /// A read and a write that no other atomic access can come between.
    void atomic(Thread& thread, unsigned offset, unsigned bytes);

    /// From its issue to its wait an asynchronous copy owns its destination.
    void begin_async(Thread& thread, unsigned offset, unsigned bytes);
    /// The copy is complete for the thread that waited: as if it had just written the bytes.
    void end_async(Thread& thread, unsigned offset, unsigned bytes);
    /// A tensor copy has landed: who knows of that moment of the block's column for them may read.
    void end_tensor_copy(uint32_t moment, unsigned offset, unsigned bytes);

    /// A read of a line by the asynchronous proxy for a thread, by a product of its warp; `moment` is that of the warp's column at which it
    /// has ended.
    void read_product(const Thread& thread, unsigned offset, uint32_t moment);
    /// From its issue to the wait for its group, a tensor store reads a line.
    void begin_store(const Thread& thread, unsigned offset);
    void end_store(Thread& thread, unsigned offset);

    /// A thread makes 8 bytes an mbarrier.
    void make_barrier(Thread& thread, unsigned offset);
    void check_barrier(const Thread& thread, unsigned offset) const;

  private:
    // When and by which thread a byte was written last: clock 22, thread 10 bits; 0 for never.
    using WriteRecord = uint32_t;
    // When a byte was read last by a warp, and by which of its lanes at that moment: clock 32, lanes 32 bits.
    using ReadRecord = uint64_t;

    /// Accesses of 16 bytes take a line as a whole: its bytes then have one record in common.
    static constexpr unsigned kLineBytes = 16;

    void split(unsigned line);
    void read_line(Thread& thread, unsigned offset);
    template <unsigned kBytes>
    void read_bytes(Thread& thread, unsigned offset);
    void check_bounds(unsigned offset, unsigned bytes, const char* what) const;
    void check_writable(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const;
    void check_states(unsigned offset, unsigned bytes) const;
    void check_free(unsigned offset, unsigned bytes, const char* what) const;
    void check_async_reads(const Thread& thread, unsigned line, const char* what) const;
    void check_cluster_reads(const Thread& thread, unsigned line, const char* what) const;
    void check_proxy(const Thread& thread, WriteRecord write, unsigned offset, const char* what) const;
    void check_async_source(const Thread& thread, unsigned offset, const char* what);
    [[noreturn]] void fail_unordered(unsigned writer, unsigned offset, const char* what) const;
    void check_last_write(const Thread& thread, WriteRecord write, unsigned offset, const char* what) const;
    void check_last_reads(const Thread& thread, unsigned warp, ReadRecord read, unsigned offset, const char* what) const;
    void remember_write(const Thread& thread, unsigned offset, unsigned bytes);
    void remember_write(unsigned writer, uint32_t clock, unsigned offset, unsigned bytes);
    ReadRecord joined(const Thread& thread, ReadRecord before) const;

    const Block* block_ = nullptr;
    unsigned bytes_ = 0, warps_ = 0;
    std::vector<uint8_t> states_;
    std::vector<WriteRecord> writes_;
    std::vector<uint32_t> reader_warps_;              // a bit for each warp that has read the byte since it was written
    std::vector<std::vector<ReadRecord>> reads_;      // [warp][byte]; holds only where the warp's bit is set
    std::vector<uint8_t> is_split_;                   // [line]: its bytes have records of their own, those above
    std::vector<WriteRecord> line_writes_;
    std::vector<uint32_t> line_reader_warps_;
    std::vector<std::vector<ReadRecord>> line_reads_;
    std::vector<uint32_t> async_readers_;                    // [line]: a bit for each warp whose products have read it since it was written
    std::vector<std::vector<uint32_t>> product_reads_;       // [warp][line]: the moment of that warp's column
    std::vector<uint32_t> store_reads_;                      // [line]: tensor stores that may still read it
    // By line: when which threads of other blocks, by their numbers in the cluster's clocks, have read it since it was written.
    std::map<unsigned, std::map<unsigned, uint32_t>> cluster_reads_;
};

} // namespace emulator
