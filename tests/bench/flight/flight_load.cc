// flight_load is a client of Arrow Flight in C++: it sends batches of one float32 column on one DoPut stream, and
// counts a batch once it is answered. It prints as `tensorferry bench --json` does.
//
//   flight_load LOCATION OUTSTANDING SIZE DURATION_MS WARMUP_MS
#include <arrow/api.h>
#include <arrow/flight/api.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "limits/closed_loop.h"

namespace {

namespace flight = arrow::flight;

using tensorferry::bench::Load;
using tensorferry::cli::BenchResult;
using Clock = std::chrono::steady_clock;

arrow::Result<std::shared_ptr<arrow::RecordBatch>> MakeBatch(std::uint64_t nbytes) {
  const std::vector<float> values(nbytes / sizeof(float), 0.5F);
  arrow::FloatBuilder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(values));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Array> column, builder.Finish());
  const auto schema = arrow::schema({arrow::field("x", arrow::float32(), /*nullable=*/false)});
  return arrow::RecordBatch::Make(schema, column->length(), {column});
}

// Repeat keeps `outstanding` batches unanswered for `duration`.
arrow::Result<BenchResult> Repeat(flight::FlightClient::DoPutResult& stream, const arrow::RecordBatch& batch,
                                  std::size_t outstanding, std::chrono::milliseconds duration) {
  BenchResult result;
  std::deque<Clock::time_point> unanswered;
  const Clock::time_point start = Clock::now();
  Clock::time_point now = start;
  do {
    while (now - start < duration && unanswered.size() < outstanding) {
      unanswered.push_back(Clock::now());
      ARROW_RETURN_NOT_OK(stream.writer->WriteRecordBatch(batch));
    }
    std::shared_ptr<arrow::Buffer> answer;
    ARROW_RETURN_NOT_OK(stream.reader->ReadMetadata(&answer));
    if (answer == nullptr) return arrow::Status::IOError("the server ended the stream");
    now = Clock::now();
    result.latency.Add(now - unanswered.front());
    unanswered.pop_front();
    ++result.ok;
  } while (!unanswered.empty() || now - start < duration);
  result.elapsed = now - start;
  return result;
}

arrow::Status Measure(const std::string& text, int outstanding, const Load& load) {
  ARROW_ASSIGN_OR_RAISE(const flight::Location location, flight::Location::Parse(text));
  ARROW_ASSIGN_OR_RAISE(const auto client, flight::FlightClient::Connect(location));
  ARROW_ASSIGN_OR_RAISE(const auto batch, MakeBatch(load.nbytes));
  ARROW_ASSIGN_OR_RAISE(auto stream, client->DoPut(flight::FlightDescriptor::Path({"x"}), batch->schema()));
  const auto window = static_cast<std::size_t>(std::max(outstanding, 1));
  ARROW_RETURN_NOT_OK(Repeat(stream, *batch, window, load.warmup).status());
  ARROW_ASSIGN_OR_RAISE(const BenchResult result, Repeat(stream, *batch, window, load.duration));
  tensorferry::bench::Print(text, load, result);
  return stream.writer->Close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const arrow::Status status = Measure(argv[1], std::stoi(argv[2]), Load::Read(argv + 3));
  if (!status.ok()) std::fprintf(stderr, "flight_load: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
