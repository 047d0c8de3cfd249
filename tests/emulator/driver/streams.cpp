// Streams and events.
#include "driver.h"

using namespace emulator;

namespace {
/// Waiting for an event; one that was recorded in a capture stands for no moment.
int check_event(Event* event, Device* device) {
    if (int error = check_handle(driver().events, event, device, "an event"))
        return error;
    return event->capture ? refuse(CUDA_ERROR_CAPTURED_EVENT, "an event that was recorded in a capture is asked whether it has passed")
        : CUDA_SUCCESS;
}

/// A stream that records cannot be waited for; asking ends its capture.
int check_not_captured(Stream* stream, Device* device, const char* function) {
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    if (!stream->capture)
        return CUDA_SUCCESS;
    stream->capture->invalidated = true;
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, std::string(function) + " on a stream that is capturing");
}
} // namespace

extern "C" {

int cuStreamCreate(Stream** result, unsigned flags) {
    Device* device;
    if (int error = enter_context("cuStreamCreate", device))
        return error;
    if (!result || flags > 1)
        return CUDA_ERROR_INVALID_VALUE;
    auto stream = new Stream;
    stream->device = device;
    stream->owner = this_thread();
    std::lock_guard lock(driver().mutex);
    driver().streams.push_back(stream);
    *result = stream;
    return CUDA_SUCCESS;
}

int cuStreamDestroy_v2(Stream* stream) {
    int fault = enter_release("cuStreamDestroy_v2");
    {
        std::lock_guard lock(driver().mutex);
        if (!is_live(driver().streams, stream))
            return refuse(CUDA_ERROR_INVALID_HANDLE, "a stream is destroyed that does not exist (any more)");
        if (stream->capture)
            stream->capture->invalidated = true;
    }
    // As the driver does: the handle is gone at once, and its work is still done.
    run_pending(*stream);
    std::lock_guard lock(driver().mutex);
    if (stream->capture)
        forget(stream->capture->streams, stream);
    forget(driver().streams, stream);
    delete stream;
    return fault;
}

int cuStreamSynchronize(Stream* stream) {
    Device* device;
    if (int error = enter_context("cuStreamSynchronize", device))
        return error;
    if (int error = check_not_captured(stream, device, "cuStreamSynchronize"))
        return error;
    if (int error = invalidate_captures("cuStreamSynchronize"))
        return error;
    return run_pending(*stream);
}

int cuStreamQuery(Stream* stream) {
    Device* device;
    if (int error = enter_context("cuStreamQuery", device))
        return error;
    if (int error = check_not_captured(stream, device, "cuStreamQuery"))
        return error;
    if (int error = invalidate_captures("cuStreamQuery"))
        return error;
    // Asking takes time, in which the device may get on.
    if (int error = run_pending(*stream, 1))
        return error;
    std::lock_guard lock(driver().mutex);
    return stream->pending.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

int cuStreamWaitEvent(Stream* stream, Event* event, unsigned flags) {
    Device* device;
    if (int error = enter_context("cuStreamWaitEvent", device))
        return error;
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    std::unique_lock lock(driver().mutex);
    if (!is_live(driver().events, event))
        return refuse(CUDA_ERROR_INVALID_HANDLE, "cuStreamWaitEvent is given an event that does not exist (any more)");
    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (event->capture || stream->capture)
        return capture_wait(*stream, *event);
    if (event->recorded == 0 || event->stream == stream)
        return CUDA_SUCCESS;
    Work work{WorkKind::kWait};
    work.name = "cuStreamWaitEvent";
    work.event = event;
    work.record = event->recorded;
    // The event may be recorded again, on another stream.
    work.awaited = event->stream;
    lock.unlock();
    return enqueue(stream, device, std::move(work));
}

int cuEventCreate(Event** result, unsigned flags) {
    Device* device;
    if (int error = enter_context("cuEventCreate", device))
        return error;
    constexpr unsigned kBlockingSync = 1, kDisableTiming = 2;
    if (!result || flags > (kBlockingSync | kDisableTiming))
        return CUDA_ERROR_INVALID_VALUE;
    auto event = new Event;
    event->device = device;
    event->timed = !(flags & kDisableTiming);
    std::lock_guard lock(driver().mutex);
    driver().events.push_back(event);
    *result = event;
    return CUDA_SUCCESS;
}

int cuEventDestroy_v2(Event* event) {
    int fault = enter_release("cuEventDestroy_v2");
    std::vector<std::pair<Stream*, uint64_t>> awaited;
    {
        std::lock_guard lock(driver().mutex);
        if (!is_live(driver().events, event))
            return refuse(CUDA_ERROR_INVALID_HANDLE, "an event is destroyed that does not exist (any more)");
        for (const Stream* stream : driver().streams) {
            for (const Work& work : stream->pending) {
                if (work.kind == WorkKind::kWait && work.event == event && is_live(driver().streams, work.awaited))
                    awaited.emplace_back(work.awaited, work.record);
            }
        }
    }
    // Streams that wait for it were told what to wait for: that must happen before it is forgotten.
    for (auto [stream, record] : awaited) run_until(*stream, event, record);
    std::lock_guard lock(driver().mutex);
    forget(driver().events, event);
    delete event;
    return fault;
}

int cuEventRecord(Event* event, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuEventRecord", device))
        return error;
    if (int error = check_handle(driver().events, event, device, "an event"))
        return error;
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    Work work{WorkKind::kRecord};
    {
        std::lock_guard lock(driver().mutex);
        if (stream->capture) {
            if (stream->capture->invalidated)
                return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
            event->capture = stream->capture;
            event->captured_after = stream->frontier;
            return CUDA_SUCCESS;
        }
        event->capture = nullptr;
        work.name = "cuEventRecord";
        work.event = event;
        work.record = ++event->recorded;
        event->stream = stream;
    }
    return enqueue(stream, device, std::move(work));
}

int cuEventSynchronize(Event* event) {
    Device* device;
    if (int error = enter_context("cuEventSynchronize", device))
        return error;
    if (int error = check_event(event, device))
        return error;
    if (int error = invalidate_captures("cuEventSynchronize"))
        return error;
    std::unique_lock lock(driver().mutex);
    uint64_t record = event->recorded;
    Stream* stream = event->stream;
    if (record == 0 || event->completed >= record || !is_live(driver().streams, stream))
        return device->sticky_error;
    lock.unlock();
    return run_until(*stream, event, record);
}

int cuEventQuery(Event* event) {
    Device* device;
    if (int error = enter_context("cuEventQuery", device))
        return error;
    if (int error = check_event(event, device))
        return error;
    if (int error = invalidate_captures("cuEventQuery"))
        return error;
    std::unique_lock lock(driver().mutex);
    Stream* stream = event->stream;
    if (event->completed < event->recorded && is_live(driver().streams, stream)) {
        lock.unlock();
        // Asking takes time, in which the device may get on: who polls for an event must not poll forever.
        if (int error = run_pending(*stream, 1))
            return error;
        lock.lock();
    }
    return event->completed >= event->recorded ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

static int elapsed(const char* function, float* milliseconds, Event* start, Event* end) {
    Device* device;
    if (int error = enter_context(function, device))
        return error;
    if (int error = check_event(start, device))
        return error;
    if (int error = check_event(end, device))
        return error;
    std::lock_guard lock(driver().mutex);
    if (!start->timed || !end->timed || start->recorded == 0 || end->recorded == 0)
        return refuse(CUDA_ERROR_INVALID_HANDLE, "the time is asked between events that are not timed, or were never recorded");
    if (start->completed < start->recorded || end->completed < end->recorded)
        return CUDA_ERROR_NOT_READY;
    *milliseconds = static_cast<float>(end->completed_at_ms - start->completed_at_ms);
    return CUDA_SUCCESS;
}

int cuEventElapsedTime(float* milliseconds, Event* start, Event* end) { return elapsed("cuEventElapsedTime", milliseconds, start, end); }
int cuEventElapsedTime_v2(float* milliseconds, Event* start,
    Event* end) { return elapsed("cuEventElapsedTime_v2", milliseconds, start, end); }

} // extern "C"
