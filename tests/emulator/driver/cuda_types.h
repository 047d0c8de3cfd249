// The part of the driver API's types that is impersonated; values and layouts are NVIDIA's.
#pragma once

#include <cstddef>
#include <cstdint>

enum CUresult {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_IMAGE = 200,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
    CUDA_ERROR_INVALID_HANDLE = 400,
    CUDA_ERROR_ILLEGAL_STATE = 401,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_ILLEGAL_ADDRESS = 700,
    CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
    CUDA_ERROR_LAUNCH_TIMEOUT = 702,
    CUDA_ERROR_ILLEGAL_INSTRUCTION = 715,
    CUDA_ERROR_MISALIGNED_ADDRESS = 716,
    CUDA_ERROR_LAUNCH_FAILED = 719,
    CUDA_ERROR_NOT_SUPPORTED = 801,
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
    CUDA_ERROR_STREAM_CAPTURE_MERGE = 902,
    CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903,
    CUDA_ERROR_STREAM_CAPTURE_UNJOINED = 904,
    CUDA_ERROR_STREAM_CAPTURE_ISOLATION = 905,
    CUDA_ERROR_CAPTURED_EVENT = 907,
    CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD = 908,
    CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE = 910,
    CUDA_ERROR_INVALID_CLUSTER_SIZE = 912,
};

using CUdevice = int;
using CUdeviceptr = unsigned long long;

struct CUuuid {
    unsigned char bytes[16];
};

struct CUlaunchAttribute {
    int id;
    int padding;
    union {
        unsigned char bytes[64];
        struct {
            unsigned x, y, z;
        } cluster;
        int programmatic;
    };
};
static_assert(sizeof(CUlaunchAttribute) == 72);

constexpr int CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION = 4;
constexpr int CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6;

struct CUlaunchConfig {
    unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
    struct Stream* stream;
    CUlaunchAttribute* attributes;
    unsigned attributeCount;
};
static_assert(sizeof(CUlaunchConfig) == 56);

struct CUDA_KERNEL_NODE_PARAMS {
    struct Function* function;
    unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
    void** kernelParams;
    void** extra;
    void* kernel;
    void* context;
};
static_assert(sizeof(CUDA_KERNEL_NODE_PARAMS) == 72);

struct CUgraphExecUpdateResultInfo {
    int result;
    struct GraphNode* errorNode;
    struct GraphNode* errorFromNode;
};
static_assert(sizeof(CUgraphExecUpdateResultInfo) == 24);

constexpr int CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED = 2, CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED = 3,
              CU_GRAPH_EXEC_UPDATE_ERROR_FUNCTION_CHANGED = 4;
