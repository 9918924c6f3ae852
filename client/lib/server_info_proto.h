#pragma once

#include <vector>

#include "tensorferry/client/server_info.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {

ServerInfo FromProto(const v1::GetServerInfoResponse& response);
std::vector<ModelInfo> FromProto(const v1::ListModelsResponse& response);

}  // namespace tensorferry::client
