#include "rpc/access_rules.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>

namespace tensorferry::rpc {
namespace {

using security::Role;
using security::Roles;

constexpr Roles kEverybody;
constexpr Roles kInfer = Role::kInfer;
constexpr Roles kAdmin = Role::kAdmin;

// Probes are for everybody: those that ask, such as kubelet, have no token to send. Reflection tells what the published
// .proto files say, but to callers only. Shared memory lets a caller read and write what the server's user may, and
// settings hold for all callers: both are admin's.
constexpr auto kRules = std::to_array<AccessRule>({
    {"grpc.health.v1.Health.Check", kEverybody},
    {"grpc.health.v1.Health.Watch", kEverybody},
    {"grpc.reflection.v1.ServerReflection.ServerReflectionInfo", kInfer},
    {"grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo", kInfer},
    {"inference.GRPCInferenceService.ServerLive", kEverybody},
    {"inference.GRPCInferenceService.ServerReady", kEverybody},
    {"inference.GRPCInferenceService.ModelReady", kInfer},
    {"inference.GRPCInferenceService.ServerMetadata", kInfer},
    {"inference.GRPCInferenceService.ModelMetadata", kInfer},
    {"inference.GRPCInferenceService.ModelInfer", kInfer},
    {"inference.GRPCInferenceService.ModelStreamInfer", kInfer},
    {"inference.GRPCInferenceService.ModelConfig", kInfer},
    {"inference.GRPCInferenceService.ModelStatistics", kInfer | Role::kMetrics},
    {"inference.GRPCInferenceService.RepositoryIndex", kInfer},
    {"inference.GRPCInferenceService.RepositoryModelLoad", kAdmin},
    {"inference.GRPCInferenceService.RepositoryModelUnload", kAdmin},
    {"inference.GRPCInferenceService.SystemSharedMemoryStatus", kAdmin},
    {"inference.GRPCInferenceService.SystemSharedMemoryRegister", kAdmin},
    {"inference.GRPCInferenceService.SystemSharedMemoryUnregister", kAdmin},
    {"inference.GRPCInferenceService.CudaSharedMemoryStatus", kAdmin},
    {"inference.GRPCInferenceService.CudaSharedMemoryRegister", kAdmin},
    {"inference.GRPCInferenceService.CudaSharedMemoryUnregister", kAdmin},
    {"inference.GRPCInferenceService.TraceSetting", kAdmin},
    {"inference.GRPCInferenceService.LogSettings", kAdmin},
    {"tensorferry.v1.TensorService.Convert", kInfer},
    {"tensorferry.v1.TensorService.ConvertStream", kInfer},
    {"tensorferry.v1.TensorService.GetServerInfo", kInfer},
    {"tensorferry.v1.TensorService.ListModels", kInfer},
});

}  // namespace

std::span<const AccessRule> AccessRules() { return kRules; }

AccessTable::AccessTable() {
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  for (const AccessRule& rule : kRules) rules_.emplace_back(pool.FindMethodByName(std::string(rule.method)), &rule);
  std::ranges::sort(rules_, std::less<>(), [](const auto& row) { return row.first; });
}

const AccessRule* AccessTable::Find(const google::protobuf::MethodDescriptor& method) const {
  const auto row =
      std::ranges::lower_bound(rules_, &method, std::less<>(), [](const auto& each) { return each.first; });
  return row != rules_.end() && row->first == &method ? row->second : nullptr;
}

}  // namespace tensorferry::rpc
