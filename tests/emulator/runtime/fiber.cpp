#include "fiber.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sys/mman.h>
#include <vector>

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "The emulator's fibers are written for x86-64 and AArch64."
#endif

namespace emulator {

namespace {
constexpr size_t kGuardBytes = 4096;
constexpr size_t kStride = FiberStacks::kStackBytes + kGuardBytes;

struct SpareStacks {
    std::mutex mutex;
    std::vector<FiberStacks*> stacks;
};

// Never destroyed: launches may still run while the process ends.
SpareStacks& spare_stacks() {
    static auto* spare = new SpareStacks;
    return *spare;
}

[[noreturn]] void no_stacks() {
    std::fprintf(stderr, "emulator: no address space for the stacks of fibers\n");
    std::abort();
}
} // namespace

FiberStacks::~FiberStacks() {
    if (memory_)
        munmap(memory_, kStride * kMaxStacks);
}

unsigned char* FiberStacks::stack(size_t index) {
    if (!memory_) {
        void* memory = mmap(nullptr, kStride * kMaxStacks, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            no_stacks();
        memory_ = static_cast<unsigned char*>(memory);
    }
    if (index >= kMaxStacks)
        no_stacks();
    for (; ready_ <= index; ready_++) {
        if (mprotect(memory_ + ready_ * kStride + kGuardBytes, kStackBytes, PROT_READ | PROT_WRITE) != 0)
            no_stacks();
    }
    return memory_ + index * kStride + kGuardBytes;
}

FiberStacksLease::FiberStacksLease() {
    SpareStacks& spare = spare_stacks();
    std::lock_guard lock(spare.mutex);
    if (spare.stacks.empty()) {
        stacks_ = new FiberStacks;
    } else {
        stacks_ = spare.stacks.back();
        spare.stacks.pop_back();
    }
}

FiberStacksLease::~FiberStacksLease() {
    SpareStacks& spare = spare_stacks();
    std::lock_guard lock(spare.mutex);
    spare.stacks.push_back(stacks_);
}

extern "C" void emulator_fiber_switch(void** from, void* to);
extern "C" void emulator_fiber_start();

#if defined(__x86_64__)
// Only what the System V ABI lets a function expect to survive a call: rbx, rbp, r12 to r15 and the stack.
asm(R"(
    .text
    .type emulator_fiber_switch, @function
emulator_fiber_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size emulator_fiber_switch, .-emulator_fiber_switch
    .type emulator_fiber_start, @function
emulator_fiber_start:
    movq %r12, %rdi
    callq *%rbx
    ud2
    .size emulator_fiber_start, .-emulator_fiber_start
)");

void prepare_fiber(Fiber& fiber, unsigned char* stack, FiberEntry entry, void* argument) {
    auto top = reinterpret_cast<uintptr_t>(stack + FiberStacks::kStackBytes) & ~uintptr_t{15};
    auto slots = reinterpret_cast<void**>(top) - 7;    // the start then finds an aligned stack
    slots[0] = nullptr;                                            // r15
    slots[1] = nullptr;                                            // r14
    slots[2] = nullptr;                                            // r13
    slots[3] = argument;                                           // r12
    slots[4] = reinterpret_cast<void*>(entry);                     // rbx
    slots[5] = nullptr;                                            // rbp
    slots[6] = reinterpret_cast<void*>(&emulator_fiber_start);     // where the first switch returns to
    fiber.stack_pointer = slots;
}
#else
// Only what AAPCS64 lets a function expect to survive a call: x19 to x30 and d8 to d15.
asm(R"(
    .text
    .type emulator_fiber_switch, %function
emulator_fiber_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size emulator_fiber_switch, .-emulator_fiber_switch
    .type emulator_fiber_start, %function
emulator_fiber_start:
    mov x0, x20
    blr x19
    brk #1
    .size emulator_fiber_start, .-emulator_fiber_start
)");

void prepare_fiber(Fiber& fiber, unsigned char* stack, FiberEntry entry, void* argument) {
    auto top = reinterpret_cast<uintptr_t>(stack + FiberStacks::kStackBytes) & ~uintptr_t{15};
    auto slots = reinterpret_cast<void**>(top - 160);
    for (int i = 0; i < 20; i++)
        slots[i] = nullptr;
    slots[0] = reinterpret_cast<void*>(entry);                     // x19
    slots[1] = argument;                                           // x20
    slots[11] = reinterpret_cast<void*>(&emulator_fiber_start);    // x30, where the first switch returns to
    fiber.stack_pointer = slots;
}
#endif

void switch_fiber(Fiber& from, Fiber& to) { emulator_fiber_switch(&from.stack_pointer, to.stack_pointer); }

} // namespace emulator
