#include "async_copies.h"

#include <cstring>

#include "execution.h"
#include "global_shadow.h"
#include "memory_access.h"

namespace emulator {

namespace {
void read_source(Thread& thread, AsyncCopy& copy) {
    if (copy.valid)
        read_global(thread, copy.global, copy.valid);
    std::memcpy(copy.data, copy.global, copy.valid);
    std::memset(copy.data + copy.valid, 0, copy.bytes - copy.valid);
}
} // namespace

void AsyncCopies::issue(Thread& thread, void* shared, const void* global, unsigned bytes, unsigned valid) {
    Block& block = *thread.block;
    if (bytes != 4 && bytes != 8 && bytes != 16)
        fail(kIllegalInstruction, "cp.async of %u bytes: it copies 4, 8 or 16", bytes);
    if (valid > bytes)
        fail(kIllegalInstruction, "cp.async of %u bytes of %u", valid, bytes);
    require_alignment(shared, bytes, "the destination of cp.async");
    require_alignment(global, bytes, "the source of cp.async");
    // The source pointer of an empty copy is not followed, but it must be a pointer into global memory all the same.
    require_global(global, "cp.async");
    unsigned offset = shared_offset(thread, shared, "cp.async");
    log_access(thread, global, valid, AccessKind::kReadGlobal, __builtin_return_address(0));
    log_access(thread, shared, bytes, AccessKind::kWriteShared, __builtin_return_address(0));
    block.shared_shadow.begin_async(thread, offset, bytes);

    Random& random = block.launch->random;
    AsyncCopy copy{offset, bytes, valid, static_cast<const unsigned char*>(global), random.coin(), random.coin(), {}};
    if (valid)
        read_global(thread, global, valid);
    if (copy.read_early)
        read_source(thread, copy);
    if (copy.read_early && copy.written_early)
        std::memcpy(block.shared + offset, copy.data, bytes);
    open_.push_back(copy);
}

void AsyncCopies::commit() {
    groups_.push_back(std::move(open_));
    open_.clear();
}

void AsyncCopies::wait(Thread& thread, unsigned newest_left) {
    while (groups_.size() > newest_left) {
        land(thread, groups_.front());
        groups_.pop_front();
    }
}

void AsyncCopies::land(Thread& thread, std::vector<AsyncCopy>& group) {
    for (AsyncCopy& copy : group) {
        if (!copy.read_early)
            read_source(thread, copy);
        std::memcpy(thread.block->shared + copy.shared_offset, copy.data, copy.bytes);
        thread.block->shared_shadow.end_async(thread, copy.shared_offset, copy.bytes);
    }
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_cp_async(void* shared, const void* global, unsigned bytes, unsigned valid) {
    Thread& thread = *current_thread();
    thread.async_copies.issue(thread, shared, global, bytes, valid);
}

void emulator_cp_async_commit() { current_thread()->async_copies.commit(); }

void emulator_cp_async_wait(unsigned newest_left) {
    Thread& thread = *current_thread();
    thread.async_copies.wait(thread, newest_left);
}

} // extern "C"
