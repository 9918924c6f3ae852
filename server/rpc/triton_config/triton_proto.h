// The classes that protobuf generates of the Open Inference Protocol and of Triton's model configuration.
#pragma once

#include "inference/grpc_service.pb.h"
#include "inference/model_config.pb.h"
#include "rpc/triton_config/triton_namespace.h"
