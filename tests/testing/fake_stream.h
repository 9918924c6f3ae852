#pragma once

#include <gmock/gmock.h>
#include <grpcpp/support/async_stream.h>

#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rpc/call/stream_call.h"
#include "rpc/call/stream_protocol.h"
#include "rpc/serve/error.h"
#include "testing/byte_buffers.h"

namespace tensorferry::rpc {

inline OutgoingMessage ToMessage(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

// Written is a message that the server has written, and whether gRPC was told that another one follows.
struct Written {
  std::string text;
  bool more_follows = false;
  friend bool operator==(const Written&, const Written&) = default;
  friend void PrintTo(const Written& written, std::ostream* out) {
    *out << written.text << (written.more_follows ? " with a hint" : "");
  }
};

// FakeCall plays gRPC's side of a stream. Writes succeed at once unless the test holds them; reads complete when the
// test says.
class FakeCall final : public StreamCall,
                       private grpc::ServerAsyncReaderWriterInterface<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // CheckCaller returns it.
  absl::Status caller;
  // False if the caller takes no more messages.
  bool writes_succeed = true;

  std::vector<Written> written;
  std::vector<grpc::Status> ends;
  int streams = 0;

  // True from the arrival of a stream to its end.
  bool open = false;

  void Arrive() {
    open = true;
    written.clear();
    arrived.Complete(true);
  }

  // Send has the caller send a message: the server gets it at once if it is reading, else with its next read.
  void Send(std::string text) {
    inbox_.push_back(std::move(text));
    Deliver();
  }

  // SendEnd has the caller send nothing more.
  void SendEnd() {
    inbox_.push_back(std::nullopt);
    Deliver();
  }

  bool reading() const { return reading_ != nullptr; }

  // Called when the server waits for another stream.
  std::function<void()> waits_again = [] {};

  Operation::Wait NextCall() override {
    Renew();
    Open(*this);
    arrived.Start();
    if (++streams > 1) waits_again();
    return Operation::Wait(arrived);
  }

  absl::Status CheckCaller() const override { return caller; }

 private:
  void Read(grpc::ByteBuffer* message, void* tag) override {
    message_ = message;
    reading_ = static_cast<Tag*>(tag);
    if (!open) std::exchange(reading_, nullptr)->Complete(false);
    Deliver();
  }
  void Write(const grpc::ByteBuffer& message, grpc::WriteOptions options, void* tag) override {
    if (writes_succeed) written.push_back({Concatenated(message), options.get_buffer_hint()});
    static_cast<Tag*>(tag)->Complete(writes_succeed);
  }
  void Finish(const grpc::Status& status, void* tag) override {
    open = false;
    inbox_.clear();
    ends.push_back(status);
    static_cast<Tag*>(tag)->Complete(true);
    if (Tag* const reading = std::exchange(reading_, nullptr)) reading->Complete(false);
    done.Complete(true);
  }
  void Write(const grpc::ByteBuffer&, void*) override { std::abort(); }
  void WriteAndFinish(const grpc::ByteBuffer&, grpc::WriteOptions, const grpc::Status&, void*) override {
    std::abort();
  }
  void SendInitialMetadata(void*) override { std::abort(); }
  void BindCall(grpc::internal::Call*) override { std::abort(); }

  void Deliver() {
    if (reading_ == nullptr || inbox_.empty()) return;
    const std::optional<std::string> text = std::move(inbox_.front());
    inbox_.pop_front();
    if (text) *message_ = ToBytes(*text);
    std::exchange(reading_, nullptr)->Complete(text.has_value());
  }

  std::deque<std::optional<std::string>> inbox_;
  grpc::ByteBuffer* message_ = nullptr;
  Tag* reading_ = nullptr;
};

// ResponseOf makes a response of one message, or the end of the stream if `text` begins with "end".
inline EncodedResponse ResponseOf(const std::string& text) {
  if (text.starts_with("end")) return EncodedResponse::End(MakeError(Reason::kBadDtype, text));
  return EncodedResponse(ToMessage(text));
}

// FakeRun is a run of a model that ends when the test says. An answer that begins with "long" takes long.
class FakeRun final : public StreamRun {
 public:
  // Notes in `answered_on`, if it is not null, which thread makes the answer.
  FakeRun(std::string text, bool quick, std::thread::id* answered_on = nullptr)
      : text_(std::move(text)), quick_(quick), answered_on_(answered_on) {
    finished_.Start();
  }

  void Submit() override {
    if (quick_) Complete();
  }
  Operation& finished() override { return finished_; }
  bool is_long_to_answer() const override { return text_.starts_with("long"); }
  EncodedResponse TakeResponse(WireWriter&) override {
    if (answered_on_ != nullptr) *answered_on_ = std::this_thread::get_id();
    return ResponseOf(text_);
  }

  void Complete() { finished_.Complete(true); }

 private:
  const std::string text_;
  const bool quick_;
  std::thread::id* const answered_on_;
  Operation finished_;
};

// FakeProtocol is a protocol whose messages say in their first word what they are:
//   echo TEXT   a request with the response TEXT
//   pieces TEXT a request whose response is "pieces", and a message for each letter of TEXT
//   part        a request that is not complete
//   quick TEXT  a request that a model runs at once
//   slow TEXT   a request that a model runs until the test completes runs[TEXT]
//   bad         a message that ends the stream
//   long TEXT   a request with the response TEXT, of which Take leaves the rest to GoOn
// A response that begins with "end" ends the stream.
class FakeProtocol final : public StreamProtocol {
 public:
  struct Seen {
    std::vector<std::string> messages;
    std::map<std::string, FakeRun*> runs;
    std::thread::id thread;       // The thread that took the last message in.
    std::thread::id went_on_on;   // The thread that took in the last rest of one.
    std::thread::id answered_on;  // The thread that made the last answer of a run.
    int begun = 0, ended = 0;
    absl::Status on_end;
    std::function<void()> responding = [] {};  // Called when a response is made.
  };

  explicit FakeProtocol(Seen& seen) : seen_(seen) {}

  void Begin(AsyncCall&) override { ++seen_.begun; }
  void End() override { ++seen_.ended; }
  grpc::ByteBuffer& message() override { return message_; }
  bool message_is_long() override { return message_.Length() >= kLongCopy; }

  absl::StatusOr<Owed> Take() override {
    const std::string message = Concatenated(message_);
    message_.Clear();
    seen_.messages.push_back(message.substr(0, 20));
    seen_.thread = std::this_thread::get_id();
    command_ = message.substr(0, message.find(' '));
    text_ = message.substr(std::min(message.size(), command_.size() + 1));
    if (command_ == "bad") return MakeError(Reason::kBadChunk, "bad");
    if (command_ == "part") return Owed();
    if (command_ == "long") return Owed{.unfinished = true};
    if (command_ != "slow" && command_ != "quick") return Owed{.response = true};
    auto run = std::make_unique<FakeRun>(text_, command_ == "quick", &seen_.answered_on);
    seen_.runs[text_] = run.get();
    return Owed{.run = std::move(run)};
  }

  absl::StatusOr<Owed> GoOn() override {
    seen_.went_on_on = std::this_thread::get_id();
    return Owed{.response = true};
  }

  EncodedResponse TakeResponse() override {
    seen_.responding();
    if (command_ != "pieces") return ResponseOf(text_);
    EncodedResponse response(ToMessage(command_));
    const auto owner = std::make_shared<std::string>(text_);
    response.AddChunks({{std::as_bytes(std::span(*owner)), owner}}, 1, [](const inference::TensorElements& part) {
      return ToMessage(std::string(reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size()));
    });
    return response;
  }

  bool awaits_rest() const override { return command_ == "part"; }
  absl::Status OnEnd() const override { return seen_.on_end; }
  grpc::Status FinalStatus(const absl::Status& status) const override { return rpc::FinalStatus("Test", status); }

 private:
  Seen& seen_;
  grpc::ByteBuffer message_;
  std::string command_, text_;
};

}  // namespace tensorferry::rpc
