#include "rpc/convert_call.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "rpc/request_check.h"

namespace tensorferry::rpc {
namespace {

inference::PipelineCall PipelineCallOf(const RequestView& request) {
  return {.model_name = std::string(request.model_name),
          .model_version = std::string(request.model_version),
          .requested_outputs = {request.requested_outputs.begin(), request.requested_outputs.end()},
          .return_data = request.return_data};
}

absl::Status Admit(const RequestView& request, const inference::PipelineCall& call,
                   const inference::Pipeline& pipeline) {
  Few<std::string_view> names;
  for (const ArrayView& array : request.arrays) names.push_back(array.name);
  return pipeline.Admit(call, names);
}

}  // namespace

ConvertCall::ConvertCall(const RequestView& request, CallGate::Pass pass, inference::Pipeline& pipeline)
    : request_id_(request.request_id), call_(PipelineCallOf(request)), pass_(std::move(pass)), pipeline_(&pipeline) {}

absl::StatusOr<ConvertCall> ConvertCall::Start(const RequestView& request, Chunks chunks,
                                               const CallEnvironment& environment) {
  TENSORFERRY_ASSIGN_OR_RETURN(CallGate::Pass pass, environment.gate.Enter());
  TENSORFERRY_RETURN_IF_ERROR(CheckRequest(request));
  ConvertCall call(request, std::move(pass), environment.pipeline);
  TENSORFERRY_RETURN_IF_ERROR(Admit(request, call.call_, environment.pipeline));

  // Every header is checked before memory is taken for the first array.
  const Fidelity fidelity = FidelityOf(request);
  Few<CheckedArray> checked;
  for (const ArrayView& array : request.arrays) {
    auto result = CheckArray(array, fidelity, chunks == Chunks::kAllowed, environment.limits);
    if (!result.ok()) return InArray(array.name, result.status());
    checked.push_back(*std::move(result));
  }

  TENSORFERRY_RETURN_IF_ERROR(call.CopyAll(std::move(checked), request, environment.pool));
  call.CountCopy(call.start_);
  return call;
}

absl::Status ConvertCall::CopyAll(Few<CheckedArray> checked, const RequestView& request, BufferPool& pool) {
  const ArrayAssembler::Options options{.fidelity = FidelityOf(request), .digest = request.digest};
  for (std::size_t i = 0; i < checked.size(); ++i) {
    const std::string_view name = request.arrays[i].name;
    auto assembler = ArrayAssembler::Start(std::move(checked[i].header), options, pool);
    if (!assembler.ok()) return InArray(name, assembler.status());
    arrays_.push_back({std::string(name), *std::move(assembler)});
    if (!checked[i].chunked) TENSORFERRY_RETURN_IF_ERROR(Copy(arrays_.back(), checked[i].elements));
  }
  return absl::OkStatus();
}

std::optional<std::string_view> ConvertCall::awaited_array() const {
  return awaited_ < arrays_.size() ? std::optional<std::string_view>(arrays_[awaited_].name) : std::nullopt;
}

std::size_t ConvertCall::missing() const {
  return awaited_ < arrays_.size() ? arrays_[awaited_].assembler.missing() : 0;
}

std::uint64_t ConvertCall::missing_in_all() const {
  std::uint64_t nbytes = 0;
  for (const Incoming& array : arrays_) nbytes += array.assembler.missing();
  return nbytes;
}

absl::Status ConvertCall::Append(const ScatteredBytes& chunk) {
  const Clock::time_point start = Clock::now();
  TENSORFERRY_RETURN_IF_ERROR(Copy(arrays_[awaited_], chunk));
  CountCopy(start);
  return absl::OkStatus();
}

absl::Status ConvertCall::Copy(Incoming& array, const ScatteredBytes& bytes) {
  return InArray(array.name, bytes.ForEachRun([&](Bytes run) { return array.assembler.Append(run); }));
}

void ConvertCall::CountCopy(Clock::time_point start) {
  received_ = Clock::now();
  copy_time_ += received_ - start;
  while (awaited_ < arrays_.size() && arrays_[awaited_].assembler.missing() == 0) ++awaited_;
}

absl::StatusOr<Answer> ConvertCall::Finish() && {
  const auto queue_time = runs_model() ? Clock::now() - received_ : Clock::duration::zero();
  Few<inference::NamedArray> arrays;
  for (Incoming& array : arrays_) arrays.push_back({std::move(array.name), std::move(array.assembler).Finish()});
  TENSORFERRY_ASSIGN_OR_RETURN(inference::PipelineResponse response, pipeline_->Run(call_, std::move(arrays)));
  response.convert_time += copy_time_;
  return Answer{std::move(request_id_), std::move(response), received_ - start_, queue_time, std::move(pass_)};
}

}  // namespace tensorferry::rpc
