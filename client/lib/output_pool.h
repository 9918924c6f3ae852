#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/output_memory.h"
#include "lib/region.h"
#include "lib/side_connection.h"
#include "tensorferry/client/response.h"
#include "tensorferry/client/tensor_data.h"

namespace tensorferry::client {

// OutputKey is what two requests have in common that get outputs of one size, as far as a client can know.
struct OutputKey {
  std::string model_name, model_version;
  std::vector<std::string> requested_outputs;
  bool return_data = false;
  std::uint64_t nbytes = 0;  // Of all arrays.

  auto operator<=>(const OutputKey&) const = default;
};

class OutputPool;

// OutputLease is the use of memory for what comes back from one request, and then by the tensors that lie there. The
// pool gets the memory back when the last of them is gone; what was not answered the server may still write to, so that
// the memory of such a request is let go of.
// Threads: any, as of a shared_ptr.
class OutputLease : public std::enable_shared_from_this<OutputLease> {
 public:
  explicit OutputLease(std::weak_ptr<OutputPool> pool) : pool_(std::move(pool)) {}
  OutputLease(const OutputLease&) = delete;
  OutputLease& operator=(const OutputLease&) = delete;
  ~OutputLease();

  // Takes the memory, as which the server has taken `region`.
  void Take(std::shared_ptr<OutputMemory> memory, std::shared_ptr<const Region> region);

  const std::string& region() const { return name_; }
  std::uint64_t nbytes() const { return memory_->bytes().size(); }

  // Says that the server has answered: it has written what it writes.
  void Answered();

  // Returns the bytes of a range of the region of that name. Few bytes are a copy: they would keep the memory of all
  // others from being used again.
  // Errors: INTERNAL if the range is not within this memory.
  absl::StatusOr<TensorData> DataAt(std::string_view region, std::uint64_t offset, std::uint64_t nbytes);

 private:
  const std::weak_ptr<OutputPool> pool_;
  std::shared_ptr<OutputMemory> memory_;  // Null until Take.
  std::shared_ptr<const Region> region_;  // Null from Answered on: the server may be told to forget it.
  std::string name_;
  bool is_answered_ = false;
};

// OutputPool has the memory for outputs that a connection uses again, and remembers how many bytes came back from which
// requests. Its memory is that whose regions the server keeps, see SideConnection::HandOver.
// Threads: any.
class OutputPool : public std::enable_shared_from_this<OutputPool> {
 public:
  // Guess says what is lent to the first request of a key.
  enum class Guess : bool { kNothing, kAsMuchAsIsSent };
  explicit OutputPool(Guess guess) : guess_(guess) {}

  // Returns how many bytes are to be lent for such a request, as far as is known; 0: what comes back is to come in
  // messages.
  std::uint64_t Expected(const OutputKey& key);

  // Takes in what came back.
  void Learn(const OutputKey& key, const Response& response);

  // Lends memory of at least `nbytes` bytes, which the server has at `side`. Null: what comes back is to come in
  // messages, as it is too little or too much, too many requests have memory already, or the server takes none.
  std::shared_ptr<OutputLease> Lend(std::uint64_t nbytes, SideConnection& side,
                                    SideConnection::Clock::time_point give_up);
  static constexpr std::size_t kMostAwaited = 4;  // Requests that have memory and are not answered.

  // Forgets the memory that is to be used again: the server has lost it.
  void Forget();

 private:
  friend OutputLease;
  using Memory = std::shared_ptr<OutputMemory>;

  bool BeginWait();
  void EndWait();
  void GiveBack(Memory memory);
  Memory TakeFree(std::uint64_t nbytes);
  absl::StatusOr<std::shared_ptr<const Region>> HandOverNew(std::uint64_t nbytes, SideConnection& side, Memory& memory,
                                                            SideConnection::Clock::time_point give_up);
  std::vector<Memory> Unusable();

  const Guess guess_;
  std::mutex mutex_;          // Guards the members below.
  std::vector<Memory> free_;  // What was given back last is used first.
  std::size_t awaited_ = 0;
  std::map<OutputKey, std::uint64_t> sizes_;
  bool is_off_ = false;  // The server takes no memory for outputs.
};

// MemoryFor returns how many bytes of memory tensors of so many bytes need, which lie there one after the other.
std::uint64_t MemoryFor(std::span<const std::uint64_t> sizes);

}  // namespace tensorferry::client
