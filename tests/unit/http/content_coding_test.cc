// Answers in gzip and deflate: where they are packed, and what they take. Bodies are in fuzz/packed_body.cc.
#include "http/content_coding.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <utility>
#include <vector>

#include "http/packed_answer.h"

namespace tensorferry::http {
namespace {

Request AcceptingCodings(const std::string& codings) {
  Request request;
  request.method = "POST";
  request.fields = {{"Accept-Encoding", codings}};
  return request;
}

std::string BodyOf(const Response& response) {
  std::string all = response.body;
  for (const std::string_view piece : response.pieces) all += piece;
  return all;
}

// Unpacks by zlib what has `nbytes` bytes.
std::string Inflated(const Response& response, Coding coding, std::size_t nbytes) {
  const std::string packed = BodyOf(response);
  std::string all(nbytes + 1, '\0');
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(all.data());
  stream.avail_out = static_cast<uInt>(all.size());
  EXPECT_EQ(inflateInit2(&stream, WindowBitsOf(coding)), Z_OK);
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  all.resize(stream.total_out);
  inflateEnd(&stream);
  return all;
}

class PackingTest : public testing::Test {
 protected:
  // Gives an answer through a PackingReply for a peer that accepts `codings`.
  void Give(const std::string& codings, Response response) {
    const CodingPolicy policy{.pool = &pool_, .body_bytes = 0, .aside = [this](std::function<void()> work) {
                                aside_.push_back(std::move(work));
                              }};
    PackingReply(policy, AcceptingCodings(codings),
                 [this](Response given) { given_.push_back(std::move(given)); })(std::move(response));
  }

  MemoryBudget budget_{std::uint64_t{1} << 20};
  BufferPool pool_{budget_, 0};
  std::vector<std::function<void()>> aside_;
  std::vector<Response> given_;
};

TEST_F(PackingTest, LongAnswersArePackedAside) {
  const std::string body(200'000, 'x');
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    Give(std::string(NameOf(coding)), {.body = body.substr(0, 7), .pieces = {std::string_view(body).substr(7)}});
    ASSERT_TRUE(given_.empty());
    ASSERT_EQ(aside_.size(), 1U);
    aside_.back()();
    ASSERT_EQ(given_.size(), 1U);
    EXPECT_EQ(Inflated(given_.front(), coding, body.size()), body);
    aside_.clear();
    given_.clear();
  }
}

TEST_F(PackingTest, ShortOnesArePackedAtOnceAndCountUntilTheyAreSent) {
  Give("gzip", {.body = std::string(5000, 'x')});
  ASSERT_EQ(given_.size(), 1U);
  EXPECT_GE(budget_.used(), BodyOf(given_.front()).size());
  EXPECT_EQ(Inflated(given_.front(), Coding::kGzip, 5000), std::string(5000, 'x'));
  given_.clear();
  EXPECT_EQ(budget_.used(), 0);
}

TEST_F(PackingTest, WithoutMemoryTheAnswerGoesAsItIs) {
  const auto others = pool_.Reserve(budget_.limit());
  Give("gzip", {.body = std::string(5000, 'x')});
  ASSERT_EQ(given_.size(), 1U);
  EXPECT_EQ(given_.front().body, std::string(5000, 'x'));
  for (const Field& field : given_.front().fields) EXPECT_NE(field.name, "Content-Encoding");
}

TEST_F(PackingTest, RefusalsGoAsTheyAre) {
  Give("gzip", {.status = 400, .body = std::string(5000, 'x')});
  ASSERT_EQ(given_.size(), 1U);
  EXPECT_EQ(given_.front().body, std::string(5000, 'x'));
}

}  // namespace
}  // namespace tensorferry::http
