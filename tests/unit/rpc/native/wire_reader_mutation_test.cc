// These tests mutate random requests: protobuf must read alike whatever is read in place. tests/fuzz looks further.
#include <gmock/gmock.h>

#include <string>

#include "testing/cut_message.h"
#include "testing/mutations.h"
#include "testing/request_views.h"

namespace tensorferry::rpc {
namespace {

void FillArray(v1::Array& array, Random& random) {
  array.set_name(random.Ascii(12));
  array.set_dtype(random.Ascii(4));
  for (std::size_t ndim = random.Below(9); ndim > 0; --ndim) array.add_shape(random.Int64());
  array.set_fortran_order(random.OneIn(2));
  switch (random.Below(4)) {
    case 0: array.set_data(random.Bytes(150)); break;
    case 1: array.set_npy(random.Bytes(150)); break;
    case 2: array.set_chunked_nbytes(static_cast<std::uint64_t>(random.Int64())); break;
    default: break;  // None.
  }
}

v1::ConvertRequest RandomRequest(Random& random) {
  v1::ConvertRequest request;
  request.set_request_id(random.Ascii(20));
  if (random.OneIn(2)) request.set_model_name(random.OneIn(4) ? "δ" : random.Ascii(20));
  if (random.OneIn(2)) request.set_model_version(random.Ascii(3));
  request.set_fidelity(static_cast<v1::Fidelity>(random.Below(4)));
  request.set_digest(static_cast<v1::DigestAlgorithm>(random.Below(3)));
  request.set_return_data(random.OneIn(2));
  for (std::size_t i = random.Below(4); i > 0; --i) request.add_requested_outputs(random.Ascii(8));
  for (std::size_t i = random.Below(4); i > 0; --i) FillArray(*request.add_arrays(), random);
  if (random.OneIn(2)) {
    v1::SharedMemoryRange& place = *request.mutable_output_memory();
    place.set_region(random.Ascii(40));
    place.set_offset(random.Below(1 << 20));
    place.set_nbytes(static_cast<std::uint64_t>(random.Int64()));
  }
  return request;
}

std::string RandomMessage(MessageKind kind, Random& random) {
  if (kind == MessageKind::kConvertRequest) return RandomRequest(random).SerializeAsString();
  v1::ConvertStreamRequest message;
  if (random.OneIn(8)) {
    message.set_chunk(random.Bytes(100));
  } else {
    *message.mutable_request() = RandomRequest(random);
  }
  return message.SerializeAsString();
}

TEST(WireReader, ReadsMutatedMessagesAsProtobufDoesOrNotAtAll) {
  constexpr int kMessages = 10'000;
  Random random;
  int in_place = 0;
  int parsed = 0;
  for (int i = 0; i < kMessages; ++i) {
    const auto kind = random.OneIn(2) ? MessageKind::kConvertRequest : MessageKind::kConvertStreamRequest;
    std::string message = RandomMessage(kind, random);
    for (std::size_t mutations = random.Below(4); mutations > 0; --mutations) Mutate(message, random);
    const ProtobufReading expected(message, kind);
    const CutMessage cut = RandomlyCut(message, random);
    SCOPED_TRACE(testing::Message() << "message " << i << ", first piece: " << cut.pieces()[0].size()
                                    << " bytes: " << testing::PrintToString(message));

    const InPlaceReading actual(cut.pieces(), kind);
    ASSERT_EQ(Mistake(actual, expected), "");
    ASSERT_EQ(DecoderMistake(cut.pieces(), kind, expected), "");
    in_place += actual.done ? 1 : 0;
    parsed += expected.parses() ? 1 : 0;
  }
  // The mutations leave enough messages of each sort.
  EXPECT_GT(in_place, kMessages / 4);
  EXPECT_GT(parsed - in_place, kMessages / 20);
  EXPECT_GT(kMessages - parsed, kMessages / 4);
}

}  // namespace
}  // namespace tensorferry::rpc
