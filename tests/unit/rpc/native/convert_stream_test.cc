#include "rpc/native/convert_stream.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "rpc/call_steps.h"
#include "testing/byte_buffers.h"
#include "testing/decoded.h"
#include "testing/echo_converter.h"
#include "testing/no_models.h"
#include "testing/requests.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/waiting_caller.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// RecordingStep keeps what the record of the last request says.
class RecordingStep final : public CallStep {
 public:
  struct Seen {
    CallRecord record;
    std::string id;
    std::vector<ReceivedTensor> tensors;
  };
  explicit RecordingStep(Seen& seen) : seen_(seen) {}

  void End(const CallInfo& call, const absl::Status& /*status*/) const override {
    const CallRecord& record = call.record;
    seen_ = {.record = record,
             .id = std::string(record.request_id),
             .tensors = {record.tensors.begin(), record.tensors.end()}};
  }

 private:
  Seen& seen_;
};

class ConvertStreamTest : public testing::Test {
 protected:
  absl::Status Send(const v1::ConvertRequest& request) {
    v1::ConvertStreamRequest message;
    *message.mutable_request() = request;
    return Hand(message);
  }
  absl::Status SendChunk(const std::string& bytes) {
    v1::ConvertStreamRequest message;
    message.set_chunk(bytes);
    return Hand(message);
  }
  absl::Status Hand(const v1::ConvertStreamRequest& message) {
    TENSORFERRY_RETURN_IF_ERROR(session_.OnMessage(Decoded(message).message(), message.ByteSizeLong()));
    if (!session_.owes_response()) return absl::OkStatus();
    EncodedResponse reply = session_.TakeResponse();
    while (const auto bytes = reply.Next()) answers_.push_back(Parse<v1::ConvertStreamResponse>(*bytes));
    return absl::OkStatus();
  }
  const v1::ConvertResponse& Last() const { return answers_.back().response(); }

  static v1::ConvertRequest Request(const std::string& id) {
    v1::ConvertRequest request;
    request.set_request_id(id);
    request.set_return_data(true);
    return request;
  }

  EchoConverter converter_;
  NoModels models_;
  TestMemory memory_;
  CallGate gate_;
  SharedRegions regions_{RegionKinds{}};
  CallChain chain_{MakeCallSteps(gate_)};
  CallEnvironment environment_{converter_, models_, memory_.pool, chain_, regions_, {.max_tensor_bytes = 1 << 23},
                               1 << 22};
  std::vector<v1::ConvertStreamResponse> answers_;
  WaitingCaller call_;
  ConvertStreamSession session_{environment_, call_};
};

TEST_F(ConvertStreamTest, AnswersEachRequestInTurn) {
  for (const char* id : {"1", "2", "3"}) {
    v1::ConvertRequest request = Request(id);
    AddData(request, "x", id);
    ASSERT_THAT(Send(request), IsOk());
    EXPECT_EQ(Last().request_id(), id);
    EXPECT_EQ(Last().tensors(0).data(), id);
  }
  EXPECT_THAT(session_.OnEnd(), IsOk());
  EXPECT_THAT(answers_, SizeIs(3));
}

TEST_F(ConvertStreamTest, GathersChunksOfSeveralArrays) {
  v1::ConvertRequest request = Request("1");
  AddChunked(request, "a", 5);
  AddData(request, "b", "inline");
  AddChunked(request, "c", 0);
  AddChunked(request, "d", 3);
  ASSERT_THAT(Send(request), IsOk());
  for (const char* chunk : {"ab", "", "cde", "xy"}) {
    ASSERT_THAT(SendChunk(chunk), IsOk());
    EXPECT_THAT(answers_, IsEmpty());
  }
  ASSERT_THAT(SendChunk("z"), IsOk());
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(Last().tensors(0).data(), "abcde");
  EXPECT_EQ(Last().tensors(1).data(), "inline");
  EXPECT_EQ(Last().tensors(2).data(), "");
  EXPECT_EQ(Last().tensors(3).data(), "xyz");
}

TEST_F(ConvertStreamTest, RefusesInPlaceAndDropsTheChunksThatStillCome) {
  v1::ConvertRequest bad = Request("bad");
  AddChunked(bad, "x", 6).set_dtype("<M8[ns]");
  ASSERT_THAT(Send(bad), IsOk());
  ASSERT_THAT(answers_, SizeIs(1)) << "refused before any chunk is awaited";
  EXPECT_EQ(Last().request_id(), "bad");
  EXPECT_EQ(Last().error().reason(), "UNSUPPORTED_DTYPE");
  EXPECT_EQ(Last().error().code(), 3);
  EXPECT_EQ(Last().error().metadata().at("array"), "x");
  EXPECT_THAT(SendChunk("abcd"), IsOk());

  v1::ConvertRequest good = Request("good");  // The caller may stop sending the refused array.
  AddChunked(good, "x", 2);
  ASSERT_THAT(Send(good), IsOk());
  ASSERT_THAT(SendChunk("ok"), IsOk());
  EXPECT_EQ(Last().tensors(0).data(), "ok");
  EXPECT_EQ(memory_.budget.used(), 0u);
}

TEST_F(ConvertStreamTest, DropsNoMoreThanWasDeclared) {
  v1::ConvertRequest bad = Request("bad");
  AddChunked(bad, "x", 6).set_dtype("long");
  ASSERT_THAT(Send(bad), IsOk());
  ASSERT_THAT(SendChunk("abcdef"), IsOk());
  EXPECT_THAT(SendChunk("g"), Fails(Reason::kBadChunk, HasSubstr("no array awaits")));
}

TEST_F(ConvertStreamTest, RefusesBadElementsInTheMiddle) {
  v1::ConvertRequest request = Request("1");
  request.set_fidelity(v1::FIDELITY_STRICT);
  AddChunked(request, "mask", 4).set_dtype("|b1");
  ASSERT_THAT(Send(request), IsOk());
  ASSERT_THAT(SendChunk(std::string("\1\2", 2)), IsOk());
  EXPECT_EQ(Last().error().reason(), "BOOL_RANGE");
  EXPECT_THAT(SendChunk("\1\1"), IsOk()) << "the rest is dropped";
  EXPECT_THAT(SendChunk("\1"), Fails(Reason::kBadChunk));
}

TEST_F(ConvertStreamTest, EndsWhenItsFramingIsLost) {
  v1::ConvertRequest request = Request("1");
  AddChunked(request, "x", 4);
  EXPECT_THAT(SendChunk("a"), Fails(Reason::kBadChunk)) << "nobody expects it";
  EXPECT_THAT(Hand({}), Fails(Reason::kBadChunk)) << "neither request nor chunk";
  ASSERT_THAT(Send(request), IsOk());
  EXPECT_THAT(SendChunk("abcde"), Fails(Reason::kBadChunk, HasSubstr("needs 4 more")));
  EXPECT_THAT(Send(request), Fails(Reason::kBadChunk, HasSubstr("still needs 4 bytes")));
  EXPECT_THAT(session_.OnEnd(), Fails(Reason::kBadChunk, HasSubstr("'x' still needs 4 bytes")));
}

TEST_F(ConvertStreamTest, TakesSixteenEmptyChunksForARequest) {
  v1::ConvertRequest request = Request("1");
  AddChunked(request, "x", 4);
  ASSERT_THAT(Send(request), IsOk());
  for (int i = 0; i < 16; ++i) ASSERT_THAT(SendChunk(""), IsOk());
  EXPECT_THAT(SendChunk(""), Fails(Reason::kBadChunk, HasSubstr("empty chunks")));
}

// A loop that sends what it reads until there is nothing more ends with an empty chunk.
TEST_F(ConvertStreamTest, TakesEmptyChunksBehindTheLastByte) {
  v1::ConvertRequest request = Request("1");
  AddChunked(request, "x", 4);
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(Send(request), IsOk());
    ASSERT_THAT(SendChunk("abcd"), IsOk());
    ASSERT_THAT(SendChunk(""), IsOk());
  }
  EXPECT_THAT(SendChunk("a"), Fails(Reason::kBadChunk, HasSubstr("no array awaits")));
  for (int i = 0; i < 15; ++i) ASSERT_THAT(SendChunk(""), IsOk());
  EXPECT_THAT(SendChunk(""), Fails(Reason::kBadChunk, HasSubstr("empty chunks")));
  EXPECT_THAT(session_.OnEnd(), IsOk());
}

TEST_F(ConvertStreamTest, FramesWhatDoesNotFitAMessage) {
  v1::ConvertRequest request = Request("1");
  const std::string data = std::string(3 << 20, 'x') + "end";
  AddChunked(request, "a", data.size());
  AddData(request, "empty", "");
  AddChunked(request, "b", data.size());
  ASSERT_THAT(Send(request), IsOk());
  ASSERT_THAT(SendChunk(data), IsOk());
  ASSERT_THAT(SendChunk(data), IsOk());

  // 6 MiB do not fit the 4 MiB of a message.
  const v1::ConvertResponse& response = answers_.front().response();
  EXPECT_EQ(response.tensors(0).chunked_nbytes(), data.size());
  EXPECT_EQ(response.tensors(1).payload_case(), v1::Tensor::kChunkedNbytes);
  EXPECT_EQ(response.tensors(2).chunked_nbytes(), data.size());
  std::string chunks;
  for (std::size_t i = 1; i < answers_.size(); ++i) {
    ASSERT_EQ(answers_[i].part_case(), v1::ConvertStreamResponse::kChunk);
    chunks += answers_[i].chunk();
  }
  EXPECT_EQ(chunks, data + data);
}

TEST_F(ConvertStreamTest, RefusesWhileDraining) {
  gate_.Close();
  v1::ConvertRequest request = Request("1");
  AddChunked(request, "x", 3);
  ASSERT_THAT(Send(request), IsOk());
  EXPECT_EQ(Last().error().reason(), "DRAINING");
  EXPECT_GT(Last().error().retry_after_ms(), 0);
}

// The steps that record see the messages of a request and of its response, chunks included, as protobuf measures them.
TEST_F(ConvertStreamTest, RecordsTheRequest) {
  RecordingStep::Seen seen;
  CallChain::Steps steps;
  steps.push_back(std::make_unique<RecordingStep>(seen));
  const CallChain chain(std::move(steps));
  const CallEnvironment environment{converter_, models_, memory_.pool, chain, regions_, {.max_tensor_bytes = 1 << 23},
                                    1 << 22};
  ConvertStreamSession session(environment, call_);
  v1::ConvertStreamRequest request;
  *request.mutable_request() = Request("seven");
  v1::Array& array = *request.mutable_request()->add_arrays();
  array.set_name("x");
  array.set_dtype("<u2");
  array.add_shape(3);
  array.set_chunked_nbytes(6);
  v1::ConvertStreamRequest chunk;
  chunk.set_chunk("abcdef");
  ASSERT_THAT(session.OnMessage(Decoded(request).message(), request.ByteSizeLong()), IsOk());
  ASSERT_THAT(session.OnMessage(Decoded(chunk).message(), chunk.ByteSizeLong()), IsOk());
  ASSERT_TRUE(session.owes_response());
  EncodedResponse answer = session.TakeResponse();

  EXPECT_EQ(seen.id, "seven");
  EXPECT_EQ(seen.record.bytes_in, request.ByteSizeLong() + chunk.ByteSizeLong());
  EXPECT_EQ(seen.record.messages_in, 2u);
  EXPECT_EQ(seen.record.messages_out, 1u);
  EXPECT_EQ(seen.record.bytes_out, answer.Next()->bytes().Length());
  ASSERT_THAT(seen.tensors, SizeIs(1));
  EXPECT_EQ(seen.tensors[0].dtype, DType::kUInt16);
  EXPECT_EQ(seen.tensors[0].nbytes, 6u);
  EXPECT_THAT(seen.record.model, IsEmpty());
}

}  // namespace
}  // namespace tensorferry::rpc
