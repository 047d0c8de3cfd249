#include "async_copies.h"

#include <cstring>

#include "execution.h"
#include "global_shadow.h"
#include "memory_access.h"

namespace emulator {

namespace {
void copy_source(AsyncCopy& copy) {
    std::memcpy(copy.data, copy.global, copy.valid);
    std::memset(copy.data + copy.valid, 0, copy.bytes - copy.valid);
}
} // namespace

void AsyncCopies::issue(Thread& thread, void* shared, const void* global, unsigned bytes, unsigned valid, const void* place) {
    Block& block = *thread.block;
    if (bytes != 4 && bytes != 8 && bytes != 16)
        fail(kIllegalInstruction, "executes cp.async of %u bytes: it copies 4, 8 or 16", bytes);
    if (valid > bytes)
        fail(kIllegalInstruction, "executes cp.async of %u bytes of %u", valid, bytes);
    require_alignment(shared, bytes, "executes cp.async whose destination");
    require_alignment(global, bytes, "executes cp.async whose source");
    // The source pointer of an empty copy is not followed, but it must be a pointer into global memory all the same.
    require_global(thread, global, "cp.async");
    unsigned offset = shared_offset(thread, shared, "cp.async");
    log_access(thread, global, valid, AccessKind::kReadGlobal, place);
    log_access(thread, shared, bytes, AccessKind::kWriteShared, place);
    block.shared_shadow.begin_async(thread, offset, bytes);

    uint64_t coins = block.launch->random.next();
    AsyncCopy& copy = copies_.emplace_back();
    copy.shared_offset = offset, copy.bytes = bytes, copy.valid = valid, copy.group = group_;
    copy.global = static_cast<const unsigned char*>(global);
    copy.read_early = coins >> 63, copy.written_early = coins >> 62 & 1;
    if (valid)
        read_global(thread, global, valid);
    if (copy.read_early)
        copy_source(copy);
    if (copy.read_early && copy.written_early)
        std::memcpy(block.shared + offset, copy.data, bytes);
}

void AsyncCopies::wait(Thread& thread, unsigned newest_left) {
    while (first_ < copies_.size() && copies_[first_].group + newest_left < group_)
        land(thread, copies_[first_++]);
    if (first_ == copies_.size())
        copies_.clear(), first_ = 0;
}

void AsyncCopies::land(Thread& thread, AsyncCopy& copy) {
    if (!copy.read_early) {
        if (copy.valid)
            read_global(thread, copy.global, copy.valid);
        copy_source(copy);
    }
    std::memcpy(thread.block->shared + copy.shared_offset, copy.data, copy.bytes);
    thread.block->shared_shadow.end_async(thread, copy.shared_offset, copy.bytes);
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_cp_async(void* shared, const void* global, unsigned bytes, unsigned valid) {
    Thread& thread = *current_thread();
    thread.async_copies.issue(thread, shared, global, bytes, valid, __builtin_return_address(0));
}

void emulator_cp_async_commit() { current_thread()->async_copies.commit(); }

void emulator_cp_async_wait(unsigned newest_left) {
    Thread& thread = *current_thread();
    thread.async_copies.wait(thread, newest_left);
}

} // extern "C"
