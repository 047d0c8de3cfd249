// Fibers: one for each CUDA thread, switched by hand, so that a block of hundreds of threads runs on one thread of the host.
#pragma once

#include <cstddef>

namespace emulator {

using FiberEntry = void (*)(void* argument);

/// The saved stack pointer of a fiber that is not running.
struct Fiber {
    void* stack_pointer = nullptr;
};

/// Memory for the stacks of fibers, each below a page that faults when a stack overflows.
class FiberStacks {
  public:
    static constexpr size_t kStackBytes = 64 * 1024;

    FiberStacks() = default;
    FiberStacks(const FiberStacks&) = delete;
    FiberStacks& operator=(const FiberStacks&) = delete;
    ~FiberStacks();

    /// The lowest usable byte of stack number `index`; stacks are made on demand and used again.
    unsigned char* stack(size_t index);

  private:
    static constexpr size_t kMaxStacks = 1 << 14;
    unsigned char* memory_ = nullptr;
    size_t ready_ = 0;
};

/// Stacks for the time of a launch. They go from launch to launch, whatever thread runs it: each stack is two mappings, and a program's many
/// threads with stacks of their own would come to the 65,530 that a process may have.
class FiberStacksLease {
  public:
    FiberStacksLease();
    FiberStacksLease(const FiberStacksLease&) = delete;
    FiberStacksLease& operator=(const FiberStacksLease&) = delete;
    ~FiberStacksLease();

    FiberStacks* operator->() { return stacks_; }

  private:
    FiberStacks* stacks_;
};

/// Makes `fiber` start at entry(argument) when it is switched to. The entry must never return.
void prepare_fiber(Fiber& fiber, unsigned char* stack, FiberEntry entry, void* argument);

/// Saves the running fiber into `from` and goes on with `to`.
void switch_fiber(Fiber& from, Fiber& to);

} // namespace emulator
