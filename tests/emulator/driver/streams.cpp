// Streams and events.
#include <chrono>

#include "driver.h"

using namespace emulator;

namespace {
double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool known(Stream* stream) {
    std::lock_guard lock(driver().mutex);
    return driver().streams.count(stream) != 0;
}

bool known(Event* event) {
    std::lock_guard lock(driver().mutex);
    return driver().events.count(event) != 0;
}

bool reached(Event* event, uint64_t record) {
    std::lock_guard lock(driver().mutex);
    return event->completed >= record;
}
} // namespace

extern "C" {

int cuStreamCreate(Stream** result, unsigned) {
    Device* device;
    if (int error = enter_context("cuStreamCreate", device))
        return error;
    auto stream = std::make_unique<Stream>();
    stream->device = device;
    std::lock_guard lock(driver().mutex);
    driver().streams.insert(stream.get());
    *result = stream.release();
    return CUDA_SUCCESS;
}

int cuStreamDestroy_v2(Stream* stream) {
    if (int error = enter("cuStreamDestroy_v2"))
        return error;
    if (!known(stream))
        return CUDA_ERROR_INVALID_HANDLE;
    drain(*stream);
    std::lock_guard lock(driver().mutex);
    driver().streams.erase(stream);
    delete stream;
    return CUDA_SUCCESS;
}

int cuStreamSynchronize(Stream* stream) {
    Device* device;
    if (int error = enter_context("cuStreamSynchronize", device))
        return error;
    return known(stream) ? drain(*stream) : CUDA_ERROR_INVALID_HANDLE;
}

int cuStreamQuery(Stream* stream) {
    Device* device;
    if (int error = enter_context("cuStreamQuery", device))
        return error;
    if (!known(stream))
        return CUDA_ERROR_INVALID_HANDLE;
    // Asking takes time, in which the device may get on.
    drain(*stream, [left = 1]() mutable { return left-- == 0; });
    std::lock_guard lock(driver().mutex);
    return stream->device->sticky_error ? stream->device->sticky_error : stream->pending.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

int cuEventCreate(Event** result, unsigned) {
    Device* device;
    if (int error = enter_context("cuEventCreate", device))
        return error;
    std::lock_guard lock(driver().mutex);
    *result = new Event;
    driver().events.insert(*result);
    return CUDA_SUCCESS;
}

int cuEventDestroy_v2(Event* event) {
    if (int error = enter("cuEventDestroy_v2"))
        return error;
    std::lock_guard lock(driver().mutex);
    if (driver().events.erase(event) == 0)
        return CUDA_ERROR_INVALID_HANDLE;
    delete event;
    return CUDA_SUCCESS;
}

int cuEventRecord(Event* event, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuEventRecord", device))
        return error;
    if (!known(event) || !known(stream))
        return CUDA_ERROR_INVALID_HANDLE;
    uint64_t record;
    {
        std::lock_guard lock(driver().mutex);
        record = ++event->recorded;
        event->stream = stream;
    }
    return enqueue(stream, {"cuEventRecord", [=] {
        std::lock_guard lock(driver().mutex);
        // An event that was destroyed meanwhile is nobody's business any more.
        if (driver().events.count(event)) {
            event->completed = record;
            event->completed_at_ms = now_ms();
        }
        return static_cast<int>(CUDA_SUCCESS);
    }});
}

int cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
    Device* device;
    if (int error = enter_context("cuStreamWaitEvent", device))
        return error;
    if (!known(event) || !known(stream))
        return CUDA_ERROR_INVALID_HANDLE;
    std::unique_lock lock(driver().mutex);
    uint64_t record = event->recorded;
    Stream* other = event->stream;
    lock.unlock();
    if (record == 0 || other == stream)
        return CUDA_SUCCESS;
    return enqueue(stream, {"cuStreamWaitEvent", [=] {
        return known(event) && known(other) ? drain(*other, [=] { return reached(event, record); }) : static_cast<int>(CUDA_SUCCESS);
    }});
}

int cuEventSynchronize(Event* event) {
    Device* device;
    if (int error = enter_context("cuEventSynchronize", device))
        return error;
    if (!known(event))
        return CUDA_ERROR_INVALID_HANDLE;
    std::unique_lock lock(driver().mutex);
    uint64_t record = event->recorded;
    Stream* stream = event->stream;
    lock.unlock();
    return record == 0 ? CUDA_SUCCESS : drain(*stream, [=] { return reached(event, record); });
}

int cuEventQuery(Event* event) {
    Device* device;
    if (int error = enter_context("cuEventQuery", device))
        return error;
    if (!known(event))
        return CUDA_ERROR_INVALID_HANDLE;
    std::lock_guard lock(driver().mutex);
    return event->completed >= event->recorded ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

int cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
    Device* device;
    if (int error = enter_context("cuEventElapsedTime", device))
        return error;
    if (!known(start) || !known(end))
        return CUDA_ERROR_INVALID_HANDLE;
    std::lock_guard lock(driver().mutex);
    if (start->completed < start->recorded || end->completed < end->recorded)
        return CUDA_ERROR_NOT_READY;
    *milliseconds = static_cast<float>(end->completed_at_ms - start->completed_at_ms);
    return CUDA_SUCCESS;
}

} // extern "C"
