#include "payload/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/status.h"

namespace tensorferry {
namespace {

constexpr std::size_t kLengthBytes = 4;

std::uint32_t LengthAt(const std::byte* bytes) {
  std::uint32_t length = 0;
  std::memcpy(&length, bytes, kLengthBytes);  // Needs no swap: this server is little-endian, as the protocol is.
  return length;
}

absl::Status Mismatch(std::uint64_t expected, const std::string& actual) {
  return MakeError(Reason::kSizeMismatch,
                   fmt::format("the shape needs {} strings, each behind its length; got {}", expected, actual),
                   {.field = "data", .expected = fmt::to_string(expected), .actual = actual});
}

// Counter counts raw strings, whose bytes come in runs that may end inside a length.
class Counter {
 public:
  void Take(Bytes run) {
    while (!run.empty()) {
      if (left_ > 0) {
        const std::size_t step = std::min<std::size_t>(left_, run.size());
        left_ -= static_cast<std::uint32_t>(step);
        run = run.subspan(step);
        continue;
      }
      const std::size_t step = std::min(kLengthBytes - read_, run.size());
      std::memcpy(length_ + read_, run.data(), step);
      read_ += step;
      run = run.subspan(step);
      if (read_ < kLengthBytes) return;
      read_ = 0;
      left_ = LengthAt(length_);
      ++count_;
    }
  }

  std::uint64_t count() const { return count_; }
  bool at_end_of_one() const { return left_ == 0 && read_ == 0; }

 private:
  std::byte length_[kLengthBytes]{};
  std::size_t read_ = 0;    // Bytes of the length that were read.
  std::uint32_t left_ = 0;  // Bytes of the string that are still to come.
  std::uint64_t count_ = 0;
};

}  // namespace

absl::Status CheckStrings(const ScatteredBytes& raw, std::uint64_t count) {
  Counter counter;
  TENSORFERRY_RETURN_IF_ERROR(raw.ForEachRun([&](Bytes run) {
    counter.Take(run);
    return absl::OkStatus();
  }));
  if (!counter.at_end_of_one()) return Mismatch(count, fmt::format("{} bytes, which end inside a string", raw.size()));
  if (counter.count() != count) return Mismatch(count, fmt::to_string(counter.count()));
  return absl::OkStatus();
}

std::vector<std::string_view> SplitStrings(std::span<const std::byte> raw) {
  std::vector<std::string_view> strings;
  while (!raw.empty()) {
    const std::size_t length = LengthAt(raw.data());
    strings.emplace_back(reinterpret_cast<const char*>(raw.data()) + kLengthBytes, length);
    raw = raw.subspan(kLengthBytes + length);
  }
  return strings;
}

void AppendString(std::string_view text, std::string& raw) {
  const auto length = static_cast<std::uint32_t>(text.size());
  raw.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  raw.append(text);
}

}  // namespace tensorferry
