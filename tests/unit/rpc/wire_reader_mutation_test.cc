// Random requests, mutated: whatever is read in place, protobuf reads the same. tests/fuzz looks further.
#include <gmock/gmock.h>

#include <random>
#include <string>
#include <vector>

#include "testing/cut_message.h"
#include "testing/request_views.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

// The same numbers everywhere and always, which the standard's distributions do not promise.
class Random {
 public:
  std::size_t Below(std::size_t bound) { return bound == 0 ? 0 : numbers_() % bound; }
  bool OneIn(std::size_t count) { return Below(count) == 0; }
  char Byte() { return static_cast<char>(Below(256)); }
  std::int64_t Int64() { return static_cast<std::int64_t>(numbers_() >> Below(64)); }

  std::string Ascii(std::size_t max_length) {
    std::string text(Below(max_length + 1), '\0');
    for (char& c : text) c = static_cast<char>(Below(128));
    return text;
  }

  std::string Bytes(std::size_t max_length) {
    std::string bytes(Below(max_length + 1), '\0');
    for (char& byte : bytes) byte = Byte();
    return bytes;
  }

 private:
  std::mt19937_64 numbers_{1};
};

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

void Mutate(std::string& message, Random& random) {
  const std::size_t place = random.Below(message.size());
  const std::string span = message.substr(place, 1 + random.Below(20));
  switch (random.Below(8)) {
    case 0: message.insert(place, 1, random.Byte()); break;
    case 1: message.insert(random.Below(message.size()), span); break;  // Duplicate.
    case 2: message.erase(place, span.size()); break;
    case 3: message.resize(place); break;
    case 4: message += VarintField(1 + static_cast<int>(random.Below(100)), random.Below(1000)); break;
    default:
      if (message.empty()) return;
      if (random.OneIn(2)) {
        message[place] = static_cast<char>(message[place] ^ 1 << random.Below(8));
      } else {
        message[place] = random.Byte();
      }
  }
}

CutMessage RandomlyCut(const std::string& message, Random& random) {
  if (random.OneIn(8)) return CutMessage::InSingleBytes(message);
  std::vector<std::size_t> lengths(random.Below(5));
  for (std::size_t& length : lengths) length = random.Below(message.size() + 1);
  return CutMessage(message, lengths);
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
  // The mutations leave enough of each sort.
  EXPECT_GT(in_place, kMessages / 4);
  EXPECT_GT(parsed - in_place, kMessages / 20);
  EXPECT_GT(kMessages - parsed, kMessages / 4);
}

}  // namespace
}  // namespace tensorferry::rpc
