#include "rpc/call/intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status.h"
#include "payload/strings.h"
#include "rpc/call/request_check.h"
#include "rpc/serve/worker_pool.h"

namespace tensorferry::rpc {
namespace {

// What is known of an array takes up to this many bytes beside its elements: names, shapes, strides, and the receipt, until
// the answer is written. Of a few arrays it is not counted.
constexpr std::uint64_t kDescribedBytes = 2 << 10;
constexpr std::size_t kUncountedArrays = 8;

// What a string takes at most while a model computes on it, beside its bytes: a list of them is made, which grows.
constexpr std::uint64_t kStringBytes = 160;

// Returns whether a tensor may use the elements where the caller has them: they must be aligned, and in the form of
// this machine.
bool CanStay(const ArrayHeader& header, std::uintptr_t address) {
  const DTypeInfo& dtype = Info(header.dtype());
  return header.nbytes() > 0 && dtype.dtype != DType::kBool && !header.byte_swapped() && address % dtype.itemsize == 0;
}

// Returns `error` as one of the array at `index`: by its name, and by its place where the name alone does not tell which.
template <typename Arrays>
absl::Status InOneOf(const Arrays& arrays, std::size_t index, const absl::Status& error) {
  if (error.ok()) return error;
  const std::string_view name = arrays[index].name;
  const auto same = std::ranges::count_if(arrays, [&](const auto& array) { return array.name == name; });
  const bool tells = arrays.size() == 1 || (same == 1 && !name.empty());
  return tells ? InArray(name, error) : InArrayAt(name, index, error);
}

// The arrays of a request need `nbytes`, and it has `held` already: alone, each would be told to come back, and would be
// told so for ever.
absl::Status NeverFits(std::uint64_t nbytes, std::uint64_t held, std::uint64_t limit) {
  const std::string body = held > 0 ? fmt::format("body of {} bytes and its ", held) : "";
  std::uint64_t all = 0;
  if (__builtin_add_overflow(nbytes, held, &all)) all = std::numeric_limits<std::uint64_t>::max();
  return MakeError(Reason::kTensorTooLarge,
                   fmt::format("the request's {}{} need at least {} bytes together, which can never fit the server's "
                               "memory budget of {} bytes",
                               body, Term("arrays"), all, limit),
                   {.field = "arrays", .actual = fmt::to_string(all), .limit = fmt::to_string(limit)});
}

// Returns the refusal of memory, or that the request can never have what it needs besides what it holds.
absl::Status WithoutHope(const absl::Status& refusal, std::uint64_t nbytes, const MemoryPeer* peer,
                         std::uint64_t limit) {
  if (peer == nullptr || ReasonOf(refusal) != Reason::kMemoryBudget) return refusal;
  const std::uint64_t held = peer->held_bytes();
  return held > 0 && held <= limit && nbytes > limit - held ? NeverFits(nbytes, held, limit) : refusal;
}

}  // namespace

std::size_t Intake::Incoming::missing() const {
  const auto* const assembler = std::get_if<ArrayAssembler>(&array);
  return assembler == nullptr ? 0 : assembler->missing();
}

ArrayPayload Intake::Incoming::TakePayload() && {
  if (auto* const payload = std::get_if<ArrayPayload>(&array)) return std::move(*payload);
  return std::get<ArrayAssembler>(std::move(array)).Finish();
}

inference::ModelInput Intake::Incoming::TakeForModel() && {
  if (auto* const waiting = std::get_if<inference::WaitingElements>(&array)) {
    return {std::move(name), std::move(*waiting), std::move(strings)};
  }
  ArrayPayload payload = std::move(*this).TakePayload();
  return {std::move(name), std::move(payload), std::move(strings)};
}

absl::StatusOr<Intake> Intake::Start(const RequestView& request, Origin origin, const CallEnvironment& environment,
                                     const MemoryPeer* peer) {
  TENSORFERRY_RETURN_IF_ERROR(CheckRequest(request));
  absl::StatusOr<Intake> started = Intake(request, origin, environment.converter, peer);  // Filled where it stays.
  Intake& intake = *started;
  if (request.arrays.size() > kUncountedArrays) [[unlikely]] {
    TENSORFERRY_ASSIGN_OR_RETURN(intake.described_,
                                 environment.pool.Reserve(request.arrays.size() * kDescribedBytes, peer));
  }
  if (!request.model_name.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(intake.model_,
                                 environment.models.FindModel(request.model_name, request.model_version));
  }

  // Every header is checked before memory is taken for the first array.
  const Fidelity fidelity = FidelityOf(request);
  Few<CheckedArray> checked;
  for (std::size_t i = 0; i < request.arrays.size(); ++i) {
    auto result = CheckArray(request.arrays[i], fidelity, origin.in_chunks, environment.limits,
                             {environment.regions, environment.sealed});
    if (!result.ok()) return InOneOf(request.arrays, i, result.status());
    checked.push_back(*std::move(result));
  }
  if (intake.model_ != nullptr) TENSORFERRY_RETURN_IF_ERROR(intake.CheckModel(checked, request));
  const PoolFor pool(environment.pool, peer);
  if (intake.computes()) TENSORFERRY_RETURN_IF_ERROR(intake.CountStrings(checked, pool));
  if (intake.NamesMuch(checked, request)) [[unlikely]] {
    intake.rest_ = std::make_unique<Rest>(Rest{std::move(checked), request, pool});
    return started;
  }
  TENSORFERRY_RETURN_IF_ERROR(intake.TakeAll(std::move(checked), request, pool));
  return started;
}

absl::Status Intake::GoOn() {
  const std::unique_ptr<Rest> rest = std::move(rest_);
  return TakeAll(std::move(rest->checked), rest->request, rest->pool);
}

absl::Status Intake::TakeAll(Few<CheckedArray> checked, const RequestView& request, const PoolFor& pool) {
  const std::uint64_t limit = pool.pool.budget().limit();
  const std::uint64_t nbytes = SumOf(checked);
  if (checked.size() > 1 && nbytes > limit) return NeverFits(nbytes, 0, limit);
  const absl::Status taken = TakeIn(std::move(checked), request, pool);
  if (!taken.ok()) return WithoutHope(taken, nbytes, peer_, limit);
  CountCopy(start_);
  return absl::OkStatus();
}

absl::Status Intake::CheckModel(const Few<CheckedArray>& checked, const RequestView& request) const {
  Few<inference::InputDeclaration> inputs;
  for (std::size_t i = 0; i < checked.size(); ++i) inputs.push_back(checked[i].DeclaredAs(request.arrays[i].name));
  return model_->Check(inputs, options_.requested_outputs);
}

// Strings are as short as a caller likes: 64 MiB of empty ones are sixteen million.
absl::Status Intake::CountStrings(const Few<CheckedArray>& checked, const PoolFor& pool) {
  std::uint64_t strings = 0;
  for (const CheckedArray& array : checked) {
    constexpr std::uint64_t kLeastBytes = 4;  // Of one, with its length. Those in shared memory are not checked yet.
    if (array.strings) strings += std::min(CountOf(*array.strings), array.header.nbytes() / kLeastBytes);
  }
  if (strings == 0) return absl::OkStatus();
  const std::uint64_t limit = pool.pool.budget().limit();
  const std::uint64_t nbytes = strings * kStringBytes;
  if (nbytes > limit || SumOf(checked) > limit - nbytes) return NeverFits(nbytes + SumOf(checked), 0, limit);
  return pool.pool.GrowTo(described_.nbytes() + nbytes, described_, pool.peer);
}

// What lies in memory of the caller's costs the message nothing, however large it is. A conversion that leaves it there
// does not look at it, unless a digest is asked for, or the elements back; a model does.
bool Intake::NamesMuch(const Few<CheckedArray>& checked, const RequestView& request) const {
  std::uint64_t nbytes = 0;
  for (const CheckedArray& array : checked) {
    if (!array.shared && !array.sealed) continue;
    const bool stays = array.shared ? StaysShared(array) : StaysSealed(array);
    if (stays && model_ == nullptr && !request.digest && !request.return_data) continue;
    nbytes += array.header.nbytes();  // Both are far below 2^63.
    if (nbytes >= kLongCopy) return true;
  }
  return false;
}

std::uint64_t Intake::SumOf(const Few<CheckedArray>& checked) const {
  std::uint64_t nbytes = 0;
  for (const CheckedArray& array : checked) {
    if ((array.shared && StaysShared(array)) || (array.sealed && StaysSealed(array) && !computes())) continue;
    if (__builtin_add_overflow(nbytes, array.header.nbytes(), &nbytes)) {
      return std::numeric_limits<std::uint64_t>::max();
    }
  }
  return nbytes;
}

absl::Status Intake::TakeIn(Few<CheckedArray> checked, const RequestView& request, const PoolFor& pool) {
  const CopyOptions options{.fidelity = FidelityOf(request), .digest = request.digest};
  for (std::size_t i = 0; i < checked.size(); ++i) {
    auto& [header, elements, chunked, strings, shared, sealed] = checked[i];
    const std::string_view name = request.arrays[i].name;
    if (shared) {
      TENSORFERRY_RETURN_IF_ERROR(InOneOf(request.arrays, i, TakeShared(name, std::move(checked[i]), options, pool)));
      continue;
    }
    if (sealed) {
      TENSORFERRY_RETURN_IF_ERROR(InOneOf(request.arrays, i, TakeSealed(name, std::move(checked[i]), options, pool)));
      continue;
    }
    if (may_wait() && !chunked && !header.fortran_order()) {
      auto reservation = pool.Reserve(header.nbytes());
      if (!reservation.ok()) return InOneOf(request.arrays, i, reservation.status());
      arrays_.push_back({std::string(name),
                         inference::WaitingElements{std::move(header), options, elements, *std::move(reservation)},
                         std::move(strings)});
      continue;
    }
    const Arrival arrival = chunked ? Arrival::kLater : Arrival::kAtOnce;
    auto assembler = ArrayAssembler::Start(std::move(header), options, pool, arrival);
    if (!assembler.ok()) return InOneOf(request.arrays, i, assembler.status());
    arrays_.push_back({std::string(name), *std::move(assembler), std::move(strings)});
    if (!chunked) TENSORFERRY_RETURN_IF_ERROR(InOneOf(request.arrays, i, Copy(arrays_.back(), elements)));
  }
  return absl::OkStatus();
}

bool Intake::StaysShared(const CheckedArray& array) const {
  if (!array.shared->region->has_bytes()) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(array.shared->bytes().data());
  return !computes() && !array.strings && CanStay(array.header, address);
}

// A model gets elements as well aligned as those in memory of the server's own.
bool Intake::StaysSealed(const CheckedArray& array) const {
  const std::uint64_t offset = array.sealed->offset;
  return !array.strings && CanStay(array.header, offset) && (!computes() || offset % AlignedBuffer::kAlignment == 0);
}

// The array stays where it lies, also for a model: nobody can change it, and what the model writes stays in a copy of the
// page, for which the memory budget is asked.
absl::Status Intake::TakeSealed(std::string_view name, CheckedArray&& checked, const CopyOptions& options,
                                const PoolFor& pool) {
  const SealedRange& range = *checked.sealed;
  const bool stays = StaysSealed(checked);
  std::shared_ptr<std::byte> elements;
  if (stays && computes()) {
    TENSORFERRY_ASSIGN_OR_RETURN(MemoryBudget::Reservation for_writes, pool.Reserve(range.nbytes));
    TENSORFERRY_ASSIGN_OR_RETURN(elements, range.Map(std::move(for_writes)));
  } else {
    TENSORFERRY_ASSIGN_OR_RETURN(elements, range.Read());
  }
  if (!stays) return CopyIn(name, std::move(checked), {elements.get(), range.nbytes}, options, pool);
  CopiedElements found;
  if (options.digest) found.digest = DigestInCOrder(checked.header, elements.get());
  arrays_.push_back({std::string(name), ArrayPayload{std::move(checked.header), {}, found, std::move(elements)}, {}});
  return absl::OkStatus();
}

// Copies elements from memory of the caller's, in which strings have not been checked.
absl::Status Intake::CopyIn(std::string_view name, CheckedArray&& checked, Bytes elements, const CopyOptions& options,
                            const PoolFor& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayAssembler assembler,
                               ArrayAssembler::Start(std::move(checked.header), options, pool));
  TENSORFERRY_RETURN_IF_ERROR(assembler.Append(elements));
  ArrayPayload payload = std::move(assembler).Finish();
  if (checked.strings) {
    const Bytes copy{payload.data(), payload.header.nbytes()};
    TENSORFERRY_RETURN_IF_ERROR(CheckStrings(ScatteredBytes(&copy, 0, copy.size()), CountOf(*checked.strings)));
  }
  arrays_.push_back({std::string(name), std::move(payload), std::move(checked.strings)});
  return absl::OkStatus();
}

// Leaves the array in the caller's memory if no model computes on it. A model gets a copy, since the caller may change
// the elements at any time, and operators rely on what they have counted or checked.
absl::Status Intake::TakeShared(std::string_view name, CheckedArray&& checked, const CopyOptions& options,
                                const PoolFor& pool) {
  const SharedRange& range = *checked.shared;
  if (!range.region->has_bytes()) return TakeFromDevice(name, std::move(checked), options, pool);
  TENSORFERRY_RETURN_IF_ERROR(range.region->CheckWhole());
  if (StaysShared(checked)) {
    CopiedElements found;
    if (options.digest) found.digest = DigestInCOrder(checked.header, range.bytes().data());
    regions_.push_back(range.region);
    std::shared_ptr<std::byte> elements(range.region, range.bytes().data());
    arrays_.push_back({std::string(name), ArrayPayload{std::move(checked.header), {}, found, std::move(elements)}, {}});
    return absl::OkStatus();
  }
  const SharedRange held = range;
  const absl::Status copied = CopyIn(name, std::move(checked), held.bytes(), options, pool);
  TENSORFERRY_RETURN_IF_ERROR(held.region->CheckWhole());  // If it was cut off, that is why strings are no strings.
  return copied;
}

// Copies the elements to memory of the server's own. They stay there if a tensor can use them as they are.
absl::Status Intake::TakeFromDevice(std::string_view name, CheckedArray&& checked, const CopyOptions& options,
                                    const PoolFor& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer copy, pool.Take(checked.shared->nbytes));
  const std::span<std::byte> elements(copy.data(), checked.shared->nbytes);
  TENSORFERRY_RETURN_IF_ERROR(checked.shared->Read(elements));
  if (checked.strings || !CanStay(checked.header, reinterpret_cast<std::uintptr_t>(copy.data()))) {
    return CopyIn(name, std::move(checked), elements, options, pool);
  }
  CopiedElements found;
  if (options.digest) found.digest = DigestInCOrder(checked.header, copy.data());
  arrays_.push_back({std::string(name), ArrayPayload{std::move(checked.header), std::move(copy), found}, {}});
  return absl::OkStatus();
}

std::optional<std::string_view> Intake::awaited_array() const {
  return awaited_ < arrays_.size() ? std::optional<std::string_view>(arrays_[awaited_].name) : std::nullopt;
}

std::size_t Intake::missing() const { return awaited_ < arrays_.size() ? arrays_[awaited_].missing() : 0; }

std::uint64_t Intake::copied_bytes() const {
  std::uint64_t nbytes = 0;
  for (const Incoming& array : arrays_) {
    const auto* const assembler = std::get_if<ArrayAssembler>(&array.array);
    if (assembler != nullptr) nbytes += assembler->header().nbytes();
  }
  return nbytes;
}

std::uint64_t Intake::missing_in_all() const {
  std::uint64_t nbytes = 0;
  for (const Incoming& array : arrays_) nbytes += array.missing();
  return nbytes;
}

absl::Status Intake::Append(const ScatteredBytes& chunk) {
  const Clock::time_point start = Clock::now();
  TENSORFERRY_RETURN_IF_ERROR(InOneOf(arrays_, awaited_, Copy(arrays_[awaited_], chunk)));
  CountCopy(start);
  return absl::OkStatus();
}

absl::Status Intake::Copy(Incoming& array, const ScatteredBytes& bytes) {
  auto& assembler = std::get<ArrayAssembler>(array.array);
  return bytes.ForEachRun([&](Bytes run) { return assembler.Append(run); });
}

void Intake::CountCopy(Clock::time_point start) {
  received_ = Clock::now();
  copy_time_ += received_ - start;
  while (awaited_ < arrays_.size() && arrays_[awaited_].missing() == 0) ++awaited_;
}

bool Intake::needs_message() const {
  return std::ranges::any_of(
      arrays_, [](const Incoming& array) { return std::holds_alternative<inference::WaitingElements>(array.array); });
}

absl::StatusOr<Response> Intake::Finish() && {
  Few<inference::NamedArray> arrays;
  for (Incoming& array : arrays_) {
    arrays.push_back({std::move(array.name), std::move(array).TakePayload()});
  }
  TENSORFERRY_ASSIGN_OR_RETURN(inference::PipelineResponse result,
                               converter_->Convert(std::move(arrays), options_.return_data, peer_));
  return Respond(std::move(result));
}

Intake::ForModel Intake::TakeForModel() {
  ForModel needed{.model = std::move(model_), .inputs = {}, .options = std::move(options_)};
  for (Incoming& array : arrays_) needed.inputs.push_back(std::move(array).TakeForModel());
  return needed;
}

absl::StatusOr<Response> Intake::Respond(inference::PipelineResponse&& result) {
  for (const auto& region : regions_) TENSORFERRY_RETURN_IF_ERROR(region->CheckWhole());
  result.convert_time += copy_time_;
  return Response{.result = std::move(result), .receive_time = received_ - start_};
}

}  // namespace tensorferry::rpc
