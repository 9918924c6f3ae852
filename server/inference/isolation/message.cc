#include "inference/isolation/message.h"

#include "base/status.h"

namespace tensorferry::inference {

void MessageWriter::Put(std::string_view text) {
  Put(static_cast<std::uint64_t>(text.size()));
  bytes_.append(text);
}

void MessageWriter::Put(const std::vector<std::int64_t>& numbers) {
  Put(static_cast<std::uint64_t>(numbers.size()));
  for (const std::int64_t number : numbers) Put(number);
}

std::string_view MessageReader::Take(std::size_t nbytes) {
  if (failed_ || rest_.size() < nbytes) {
    failed_ = true;
    return {};
  }
  const std::string_view taken = rest_.substr(0, nbytes);
  rest_.remove_prefix(nbytes);
  return taken;
}

std::string_view MessageReader::GetText() { return Take(Get<std::uint64_t>()); }

std::size_t MessageReader::GetCount() {
  const auto count = Get<std::uint64_t>();
  if (count <= rest_.size()) return count;
  failed_ = true;
  return 0;
}

std::vector<std::int64_t> MessageReader::GetNumbers() {
  std::vector<std::int64_t> numbers(GetCount());
  for (std::int64_t& number : numbers) number = Get<std::int64_t>();
  return numbers;
}

absl::Status MessageReader::Finish() const {
  if (!failed_ && rest_.empty()) return absl::OkStatus();
  return MakeError(Reason::kInternal, "a message between the server and a worker process is damaged");
}

}  // namespace tensorferry::inference
