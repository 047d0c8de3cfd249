// Stream capture and graphs.
#include <algorithm>

#include "driver.h"

namespace emulator {

int invalidate_captures(const char* function) {
    std::lock_guard lock(driver().mutex);
    bool forbidden = false;
    for (const auto& capture : driver().captures) {
        bool mine = capture->owner == this_thread();
        if (capture->mode == kCaptureGlobal || (capture->mode == kCaptureThreadLocal && mine))
            capture->invalidated = forbidden = true;
    }
    return forbidden ? refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, std::string(function) + " is not allowed while a stream is capturing")
        : 0;
}

int record_node(Stream& stream, Work work) {
    std::lock_guard lock(driver().mutex);
    Capture& capture = *stream.capture;
    if (capture.invalidated)
        return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "work is put on a stream whose capture is no longer valid");
    Graph& graph = *capture.graph;
    auto index = static_cast<unsigned>(graph.body.nodes.size());
    auto handle = std::make_unique<GraphNode>();
    handle->index = index;
    graph.body.nodes.push_back({std::move(work), stream.frontier, handle.get()});
    graph.handles.push_back(std::move(handle));
    stream.frontier = {index};
    return CUDA_SUCCESS;
}

int capture_wait(Stream& stream, Event& event) {
    if (!event.capture) {
        stream.capture->invalidated = true;
        return refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
            "a stream that is capturing waits for an event that was recorded outside of the capture");
    }
    if (event.capture->invalidated)
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!event.capture->origin)
        return refuse(CUDA_ERROR_CAPTURED_EVENT, "a stream waits for an event of a capture that has ended");
    if (!stream.capture) {
        stream.capture = event.capture;
        stream.frontier.clear();
        stream.capture->streams.push_back(&stream);
    } else if (stream.capture != event.capture) {
        stream.capture->invalidated = event.capture->invalidated = true;
        return refuse(CUDA_ERROR_STREAM_CAPTURE_MERGE, "two captures would become one by a wait for an event");
    }
    for (unsigned node : event.captured_after) {
        if (std::find(stream.frontier.begin(), stream.frontier.end(), node) == stream.frontier.end())
            stream.frontier.push_back(node);
    }
    return CUDA_SUCCESS;
}

namespace {
/// Whether node `from` is `to` or comes before it.
bool comes_before(const GraphBody& body, unsigned from, unsigned to) {
    if (from == to)
        return true;
    for (unsigned before : body.nodes[to].after)
        if (before >= from && comes_before(body, from, before))
            return true;
    return false;
}

/// All that the other streams recorded must have been waited for by the stream in which the capture began.
bool is_joined(const Capture& capture) {
    for (const Stream* stream : capture.streams) {
        for (unsigned node : stream->frontier) {
            bool joined = stream == capture.origin;
            for (unsigned last : capture.origin->frontier)
                joined |= comes_before(capture.graph->body, node, last);
            if (!joined)
                return false;
        }
    }
    return true;
}

void end_capture(const std::shared_ptr<Capture>& capture) {
    for (Stream* stream : capture->streams) {
        stream->capture = nullptr;
        stream->frontier.clear();
    }
    capture->origin = nullptr;
    auto& all = driver().captures;
    all.erase(std::find(all.begin(), all.end(), capture));
}

int node_type(const Work& work) {
    switch (work.kind) {
    case WorkKind::kLaunch:
    case WorkKind::kLibrary: return 0;     // KERNEL
    case WorkKind::kMemset: return 2;      // MEMSET
    case WorkKind::kGraph: return 4;       // GRAPH
    default: return 1;                     // MEMCPY
    }
}

/// The node of a live graph; null for anything else.
Graph* graph_of(const GraphNode* node) {
    for (Graph* graph : driver().graphs)
        for (const auto& handle : graph->handles)
            if (handle.get() == node)
                return graph;
    return nullptr;
}
} // namespace

int run_graph(const GraphBody& body, Device& device) {
    // Nodes that nothing orders may run in either order.
    Random random(next_seed());
    std::vector<bool> done(body.nodes.size());
    std::vector<LaunchChain> chains(body.nodes.size());
    for (size_t left = body.nodes.size(); left > 0; left--) {
        std::vector<unsigned> ready;
        for (unsigned i = 0; i < body.nodes.size(); i++) {
            const auto& after = body.nodes[i].after;
            if (!done[i] && std::all_of(after.begin(), after.end(), [&](unsigned node) { return done[node]; }))
                ready.push_back(i);
        }
        unsigned chosen = ready[random.below(static_cast<uint32_t>(ready.size()))];
        Work work = body.nodes[chosen].work;
        // A programmatic edge leads from one launch to the next.
        const auto& after = body.nodes[chosen].after;
        if (work.programmatic && after.size() == 1)
            chains[chosen] = chains[after[0]];
        if (int error = run_work(work, device, chains[chosen]))
            return error;
        done[chosen] = true;
    }
    return CUDA_SUCCESS;
}

} // namespace emulator

using namespace emulator;

extern "C" {

int cuStreamBeginCapture_v2(Stream* stream, int mode) {
    Device* device;
    if (int error = enter_context("cuStreamBeginCapture_v2", device))
        return error;
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    if (mode < kCaptureGlobal || mode > kCaptureRelaxed)
        return CUDA_ERROR_INVALID_VALUE;
    std::lock_guard lock(driver().mutex);
    if (stream->capture)
        return refuse(CUDA_ERROR_ILLEGAL_STATE, "a capture begins on a stream that is capturing already");
    auto capture = std::make_shared<Capture>();
    capture->origin = stream;
    capture->mode = mode;
    capture->owner = this_thread();
    capture->streams.push_back(stream);
    capture->graph->device = device;
    stream->capture = capture;
    stream->frontier.clear();
    driver().captures.push_back(capture);
    return CUDA_SUCCESS;
}

int cuStreamEndCapture(Stream* stream, Graph** result) {
    int fault = enter_release("cuStreamEndCapture");
    Device* device = current_device();
    if (!device)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (int error = check_handle(driver().streams, stream, device, "a stream"))
        return error;
    *result = nullptr;
    std::lock_guard lock(driver().mutex);
    std::shared_ptr<Capture> capture = stream->capture;
    if (!capture)
        return refuse(CUDA_ERROR_ILLEGAL_STATE, "a capture ends on a stream that is not capturing");
    if (capture->origin != stream)
        return refuse(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "a capture ends on another stream than it began on");
    if (capture->mode != kCaptureRelaxed && capture->owner != this_thread())
        return refuse(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "a capture ends on another thread than it began on");
    bool joined = is_joined(*capture);
    end_capture(capture);
    if (fault)
        return fault;
    if (capture->invalidated)
        return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture is no longer valid because of an earlier call");
    if (!joined)
        return refuse(CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
            "the capture ends while other streams have recorded work that this one does not wait for");
    for (const auto& handle : capture->graph->handles)
        handle->graph = capture->graph.get();
    driver().graphs.push_back(capture->graph.get());
    *result = capture->graph.release();
    return CUDA_SUCCESS;
}

int cuGraphDestroy(Graph* graph) {
    int fault = enter_release("cuGraphDestroy");
    std::lock_guard lock(driver().mutex);
    if (!is_live(driver().graphs, graph))
        return refuse(CUDA_ERROR_INVALID_VALUE, "a graph is destroyed that does not exist (any more)");
    forget(driver().graphs, graph);
    delete graph;
    return fault;
}

int cuGraphGetNodes(Graph* graph, GraphNode** nodes, size_t* count) {
    if (int error = enter("cuGraphGetNodes"))
        return error;
    std::lock_guard lock(driver().mutex);
    if (!is_live(driver().graphs, graph) || !count)
        return CUDA_ERROR_INVALID_VALUE;
    if (nodes) {
        // As the driver does: what is asked for beyond the last is null.
        for (size_t i = 0; i < *count; i++)
            nodes[i] = i < graph->handles.size() ? graph->handles[i].get() : nullptr;
        *count = std::min(*count, graph->handles.size());
    } else {
        *count = graph->handles.size();
    }
    return CUDA_SUCCESS;
}

int cuGraphNodeGetType(GraphNode* node, int* type) {
    if (int error = enter("cuGraphNodeGetType"))
        return error;
    std::lock_guard lock(driver().mutex);
    Graph* graph = graph_of(node);
    if (!graph || !type)
        return CUDA_ERROR_INVALID_VALUE;
    *type = node_type(graph->body.nodes[node->index].work);
    return CUDA_SUCCESS;
}

int cuGraphKernelNodeGetParams_v2(GraphNode* node, CUDA_KERNEL_NODE_PARAMS* parameters) {
    if (int error = enter("cuGraphKernelNodeGetParams_v2"))
        return error;
    std::lock_guard lock(driver().mutex);
    Graph* graph = graph_of(node);
    if (!graph || !parameters || graph->body.nodes[node->index].work.kind != WorkKind::kLaunch)
        return CUDA_ERROR_INVALID_VALUE;
    Work& work = graph->body.nodes[node->index].work;
    node->parameter = work.args.data();
    *parameters = {work.function, work.grid.x, work.grid.y, work.grid.z, work.block.x, work.block.y, work.block.z, work.shared_bytes,
        &node->parameter,
        nullptr, nullptr, graph->device};
    return CUDA_SUCCESS;
}

int cuGraphInstantiateWithFlags(GraphExec** result, Graph* graph, uint64_t flags) {
    Device* device;
    if (int error = enter_context("cuGraphInstantiateWithFlags", device))
        return error;
    std::lock_guard lock(driver().mutex);
    if (!is_live(driver().graphs, graph) || !result || flags)
        return CUDA_ERROR_INVALID_VALUE;
    auto exec = new GraphExec;
    exec->device = graph->device;
    exec->body = std::make_shared<GraphBody>(graph->body);
    driver().graph_execs.push_back(exec);
    *result = exec;
    return CUDA_SUCCESS;
}

int cuGraphExecDestroy(GraphExec* exec) {
    int fault = enter_release("cuGraphExecDestroy");
    std::lock_guard lock(driver().mutex);
    if (!is_live(driver().graph_execs, exec))
        return refuse(CUDA_ERROR_INVALID_VALUE, "a graph's executable is destroyed that does not exist (any more)");
    forget(driver().graph_execs, exec);
    delete exec;
    return fault;
}

int cuGraphExecKernelNodeSetParams_v2(GraphExec* exec, GraphNode* node, const CUDA_KERNEL_NODE_PARAMS* parameters) {
    Device* device;
    if (int error = enter_context("cuGraphExecKernelNodeSetParams_v2", device))
        return error;
    std::lock_guard lock(driver().mutex);
    if (!is_live(driver().graph_execs, exec) || !graph_of(node) || !parameters || parameters->extra)
        return CUDA_ERROR_INVALID_VALUE;
    // Launches that have begun keep what they were given.
    auto body = std::make_shared<GraphBody>(*exec->body);
    for (GraphBody::Node& each : body->nodes) {
        if (each.origin != node)
            continue;
        Work work{WorkKind::kLaunch};
        int error = make_launch(work, *exec->device, parameters->function, {parameters->gridX, parameters->gridY, parameters->gridZ},
            {parameters->blockX, parameters->blockY, parameters->blockZ}, parameters->sharedBytes, parameters->kernelParams);
        if (error)
            return error;
        work.cluster = each.work.cluster;
        work.programmatic = each.work.programmatic;
        each.work = std::move(work);
        exec->body = body;
        return CUDA_SUCCESS;
    }
    return refuse(CUDA_ERROR_INVALID_VALUE, "the node is of another graph than this executable was made of");
}

int cuGraphExecUpdate_v2(GraphExec* exec, Graph* graph, CUgraphExecUpdateResultInfo* info) {
    Device* device;
    if (int error = enter_context("cuGraphExecUpdate_v2", device))
        return error;
    std::lock_guard lock(driver().mutex);
    if (!is_live(driver().graph_execs, exec) || !is_live(driver().graphs, graph) || !info)
        return CUDA_ERROR_INVALID_VALUE;
    const auto &old_nodes = exec->body->nodes, &new_nodes = graph->body.nodes;
    *info = {};
    if (old_nodes.size() != new_nodes.size())
        info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    auto body = std::make_shared<GraphBody>(*exec->body);
    for (size_t i = 0; i < new_nodes.size() && !info->result; i++) {
        if (old_nodes[i].after != new_nodes[i].after)
            info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        else if (old_nodes[i].work.kind != new_nodes[i].work.kind || old_nodes[i].work.programmatic != new_nodes[i].work.programmatic)
            info->result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
        else if (old_nodes[i].work.function && old_nodes[i].work.function->module->device != new_nodes[i].work.function->module->device)
            info->result = CU_GRAPH_EXEC_UPDATE_ERROR_FUNCTION_CHANGED;
        if (info->result)
            info->errorNode = graph->handles[i].get();
        body->nodes[i].work = new_nodes[i].work;
    }
    if (info->result)
        return refuse(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE,
            "the graph differs from the one that the executable was made of by more than parameters");
    exec->body = body;
    return CUDA_SUCCESS;
}

int cuGraphLaunch(GraphExec* exec, Stream* stream) {
    Device* device;
    if (int error = enter_context("cuGraphLaunch", device))
        return error;
    if (int error = check_handle(driver().graph_execs, exec, device, "a graph's executable"))
        return error;
    Work work{WorkKind::kGraph};
    work.name = "cuGraphLaunch";
    work.graph = exec->body;
    return enqueue(stream, device, std::move(work));
}

} // extern "C"
