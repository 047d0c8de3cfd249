// Work of streams: enqueued, and run in the order of each stream, whenever the seed or a wait says so.
#include <chrono>

#include "driver.h"

extern "C" int emulatorLastError(char* buffer, int capacity);

namespace emulator {

namespace {
double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int run_record(const Work& work) {
    std::lock_guard lock(driver().mutex);
    // An event that was destroyed meanwhile is nobody's business any more.
    if (is_live(driver().events, work.event)) {
        work.event->completed = work.record;
        work.event->completed_at_ms = now_ms();
    }
    return CUDA_SUCCESS;
}

/// Whether a record has completed, or will never be heard of. The driver is locked.
bool has_passed(const Event* event, uint64_t record) {
    return !is_live(driver().events, event) || event->completed >= record;
}

void run_now(Stream& stream, Work& work) {
    if (stream.device->sticky_error)
        return;
    if (int error = run_work(work, *stream.device, stream.chain)) {
        char text[4096];
        emulatorLastError(text, sizeof text);
        stream.device->sticky_text = text;
        stream.device->sticky_error = error;
    }
}

/// Runs the first operation; false when there is none, or when the record that it is run for has completed meanwhile.
bool run_one(Stream& stream, const Event* event = nullptr, uint64_t record = 0) {
    const Event* waited_for = nullptr;
    uint64_t waited_record = 0;
    for (;;) {
        Stream* awaited = nullptr;
        {
            std::lock_guard running(stream.running);
            Work work{WorkKind::kMemset};
            {
                std::lock_guard lock(driver().mutex);
                if (stream.pending.empty() || (event && has_passed(event, record)))
                    return false;
                Work& first = stream.pending.front();
                bool waits = first.kind == WorkKind::kWait && !has_passed(first.event, first.record)
                    && first.awaited != &stream && is_live(driver().streams, first.awaited)
                    // Where the other stream came to its end without it, nothing is left to wait for.
                    && !(first.event == waited_for && first.record == waited_record);
                if (waits) {
                    awaited = first.awaited;
                    waited_for = first.event;
                    waited_record = first.record;
                } else {
                    work = std::move(first);
                    stream.pending.pop_front();
                }
            }
            if (!awaited) {
                run_now(stream, work);
                return true;
            }
        }
        // Not while this stream is held: another thread may run the other one, and wait there for this one's earlier work.
        run_until(*awaited, waited_for, waited_record);
    }
}

/// The device may be as fast as the host, or far behind it, and runs streams in any order.
void run_ahead(Stream* stream) {
    Random random(next_seed());
    if (random.below(4) != 0)
        return;
    std::vector<Stream*> mine;
    {
        std::lock_guard lock(driver().mutex);
        for (Stream* other : driver().streams) {
            if (other->owner == stream->owner && other->device == stream->device)
                mine.push_back(other);
        }
    }
    run_pending(mine.empty() ? *stream : *mine[random.below(static_cast<uint32_t>(mine.size()))], 1 + random.below(3));
}
} // namespace

int run_work(Work& work, Device& device, LaunchChain& chain) {
    if (work.kind == WorkKind::kLaunch)
        return run_launch_work(work, device, chain);
    chain = {};
    switch (work.kind) {
    case WorkKind::kRecord: return run_record(work);
    case WorkKind::kWait: return CUDA_SUCCESS;    // what it waits for has run
    case WorkKind::kGraph: return run_graph(*work.graph, device);
    case WorkKind::kLibrary: return work.call.run(work.call.argument.get());
    default: return run_memory_work(work, device);
    }
}

int run_pending(Stream& stream, size_t count) {
    for (size_t i = 0; i < count && run_one(stream); i++) {
    }
    return stream.device->sticky_error;
}

int run_until(Stream& stream, const Event* event, uint64_t record) {
    for (;;) {
        {
            std::lock_guard lock(driver().mutex);
            if (has_passed(event, record))
                break;
        }
        if (!run_one(stream, event, record))
            break;
    }
    return stream.device->sticky_error;
}

int enqueue(Stream* stream, Device* device, Work work) {
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    if (stream->capture)
        return record_node(*stream, std::move(work));
    {
        std::lock_guard lock(driver().mutex);
        stream->pending.push_back(std::move(work));
    }
    run_ahead(stream);
    return CUDA_SUCCESS;
}

namespace {
template <typename Touches>
void settle(Touches touches, const char* what) {
    std::vector<Stream*> streams;
    std::string names;
    {
        std::lock_guard lock(driver().mutex);
        for (Stream* stream : driver().streams) {
            for (const Work& work : stream->pending) {
                if (!touches(work))
                    continue;
                streams.push_back(stream);
                names += std::string(names.empty() ? "" : ", ") + work.name;
                break;
            }
        }
    }
    if (streams.empty())
        return;
    note_violation(std::string(what) + " while work that uses it waits on a stream (" + names + ")");
    for (Stream* stream : streams)
        run_pending(*stream);
}

template <typename Touches>
bool any_work(const Work& work, Touches touches) {
    if (touches(work))
        return true;
    if (work.graph) {
        for (const GraphBody::Node& node : work.graph->nodes)
            if (touches(node.work))
                return true;
    }
    return false;
}
} // namespace

void settle_uses(uintptr_t memory, const char* what) {
    settle([=](const Work& work) {
        return any_work(work, [=](const Work& part) {
            for (uintptr_t use : part.uses)
                if (use == memory)
                    return true;
            return false;
        });
    }, what);
}

void settle_uses(const Module& module) {
    settle([&](const Work& work) { return any_work(work,
        [&](const Work& part) { return part.function && part.function->module == &module; }); },
        "a module is unloaded");
}

} // namespace emulator

using namespace emulator;

extern "C" {

/// For the other emulated libraries: work on a stream of the current context. `start` are pointers into device memory that it uses.
/// 0, or a CUresult; release(argument) is called once the work can never run again, also after an error.
int emulatorEnqueue(Stream* stream, const char* name, int (*run)(void*), void* argument, void (*release)(void*),
    const CUdeviceptr* pointers, int count) {
    Work work{WorkKind::kLibrary};
    work.name = name;
    work.call = {run, std::shared_ptr<void>(argument, release)};
    Device* device = current_device();
    if (!device || device->retained == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    for (int i = 0; i < count; i++) {
        uintptr_t start;
        if (int error = check_device_range(*device, pointers[i], 1, name, start))
            return error;
        work.uses.push_back(start);
    }
    return enqueue(stream, device, std::move(work));
}

/// For the other emulated libraries: whether all of a range of device memory was written, and lies in one allocation; else 1 and a
/// sentence.
int emulatorCheckRead(CUdeviceptr pointer, uint64_t bytes, const char* what) {
    auto memory = reinterpret_cast<const void*>(pointer);
    if (const char* problem = DeviceMemory::problem(memory, bytes, true)) {
        remember_error(std::string(what) + " reads memory that " + problem + DeviceMemory::describe(memory));
        return 1;
    }
    return 0;
}

/// As above for a range that is about to be written, which marks it as written.
int emulatorMarkWritten(CUdeviceptr pointer, uint64_t bytes, const char* what) {
    auto memory = reinterpret_cast<const void*>(pointer);
    if (const char* problem = DeviceMemory::problem(memory, bytes, false)) {
        remember_error(std::string(what) + " writes memory that " + problem + DeviceMemory::describe(memory));
        return 1;
    }
    DeviceMemory::mark_written(memory, bytes);
    return 0;
}

} // extern "C"
