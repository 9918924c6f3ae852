#include "rpc/convert_call.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "rpc/request_check.h"

namespace tensorferry::rpc {

const ArrayHeader& ConvertCall::Incoming::header() const {
  if (const auto* const assembler = std::get_if<ArrayAssembler>(&array)) return assembler->header();
  return std::get<inference::WaitingElements>(array).header;
}

std::size_t ConvertCall::Incoming::missing() const {
  const auto* const assembler = std::get_if<ArrayAssembler>(&array);
  return assembler == nullptr ? 0 : assembler->missing();
}

absl::StatusOr<ConvertCall> ConvertCall::Start(const RequestView& request, Chunks chunks,
                                               const CallEnvironment& environment) {
  TENSORFERRY_ASSIGN_OR_RETURN(CallGate::Pass pass, environment.gate.Enter());
  TENSORFERRY_RETURN_IF_ERROR(CheckRequest(request));
  ConvertCall call(request, std::move(pass), environment.pipeline);
  if (!request.model_name.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(call.model_,
                                 environment.pipeline.FindModel(request.model_name, request.model_version));
  }

  // Every header is checked before memory is taken for the first array.
  const Fidelity fidelity = FidelityOf(request);
  Few<CheckedArray> checked;
  for (const ArrayView& array : request.arrays) {
    auto result = CheckArray(array, fidelity, chunks == Chunks::kAllowed, environment.limits);
    if (!result.ok()) return InArray(array.name, result.status());
    checked.push_back(*std::move(result));
  }
  if (call.model_ != nullptr) TENSORFERRY_RETURN_IF_ERROR(call.CheckModel(checked, request));

  TENSORFERRY_RETURN_IF_ERROR(call.TakeIn(std::move(checked), request, environment.pool));
  call.CountCopy(call.start_);
  return call;
}

absl::Status ConvertCall::CheckModel(const Few<CheckedArray>& checked, const RequestView& request) const {
  Few<inference::InputDeclaration> inputs;
  for (std::size_t i = 0; i < checked.size(); ++i) inputs.push_back({request.arrays[i].name, &checked[i].header});
  return model_->Check(inputs, requested_outputs_);
}

absl::Status ConvertCall::TakeIn(Few<CheckedArray> checked, const RequestView& request, BufferPool& pool) {
  const CopyOptions options{.fidelity = FidelityOf(request), .digest = request.digest};
  const bool may_wait = model_ != nullptr && model_->batches();
  for (std::size_t i = 0; i < checked.size(); ++i) {
    auto& [header, elements, chunked] = checked[i];
    const std::string_view name = request.arrays[i].name;
    if (may_wait && !chunked && !header.fortran_order()) {
      auto reservation = pool.Reserve(header.nbytes());
      if (!reservation.ok()) return InArray(name, reservation.status());
      arrays_.push_back({std::string(name),
                         inference::WaitingElements{std::move(header), options, elements, *std::move(reservation)}});
      continue;
    }
    auto assembler = ArrayAssembler::Start(std::move(header), options, pool);
    if (!assembler.ok()) return InArray(name, assembler.status());
    arrays_.push_back({std::string(name), *std::move(assembler)});
    if (!chunked) TENSORFERRY_RETURN_IF_ERROR(Copy(arrays_.back(), elements));
  }
  return absl::OkStatus();
}

std::optional<std::string_view> ConvertCall::awaited_array() const {
  return awaited_ < arrays_.size() ? std::optional<std::string_view>(arrays_[awaited_].name) : std::nullopt;
}

std::size_t ConvertCall::missing() const { return awaited_ < arrays_.size() ? arrays_[awaited_].missing() : 0; }

std::uint64_t ConvertCall::missing_in_all() const {
  std::uint64_t nbytes = 0;
  for (const Incoming& array : arrays_) nbytes += array.missing();
  return nbytes;
}

absl::Status ConvertCall::Append(const ScatteredBytes& chunk) {
  const Clock::time_point start = Clock::now();
  TENSORFERRY_RETURN_IF_ERROR(Copy(arrays_[awaited_], chunk));
  CountCopy(start);
  return absl::OkStatus();
}

absl::Status ConvertCall::Copy(Incoming& array, const ScatteredBytes& bytes) {
  auto& assembler = std::get<ArrayAssembler>(array.array);
  return InArray(array.name, bytes.ForEachRun([&](Bytes run) { return assembler.Append(run); }));
}

void ConvertCall::CountCopy(Clock::time_point start) {
  received_ = Clock::now();
  copy_time_ += received_ - start;
  while (awaited_ < arrays_.size() && arrays_[awaited_].missing() == 0) ++awaited_;
}

bool ConvertCall::needs_message() const {
  return std::ranges::any_of(
      arrays_, [](const Incoming& array) { return std::holds_alternative<inference::WaitingElements>(array.array); });
}

absl::StatusOr<Answer> ConvertCall::Finish() && {
  Few<inference::NamedArray> arrays;
  for (Incoming& array : arrays_) {
    arrays.push_back({std::move(array.name), std::get<ArrayAssembler>(std::move(array.array)).Finish()});
  }
  TENSORFERRY_ASSIGN_OR_RETURN(inference::PipelineResponse response,
                               pipeline_->Convert(std::move(arrays), return_data_));
  return AnswerOf(std::move(response));
}

Answer ConvertCall::AnswerOf(inference::PipelineResponse&& response) {
  response.convert_time += copy_time_;
  return {request_id_, std::move(response), received_ - start_, std::move(pass_)};
}

}  // namespace tensorferry::rpc
