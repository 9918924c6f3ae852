// flight_server is a server of Arrow Flight in C++. DoPut looks at each batch where it arrived, and answers with its
// type and length; it makes no tensor and copies nothing.
//
//   flight_server LOCATION    grpc+tcp://127.0.0.1:0 or grpc+unix:///PATH
#include <arrow/api.h>
#include <arrow/flight/api.h>

#include <cstdio>
#include <memory>
#include <string>

namespace {

namespace flight = arrow::flight;

class LookingServer final : public flight::FlightServerBase {
 public:
  arrow::Status DoPut(const flight::ServerCallContext&, std::unique_ptr<flight::FlightMessageReader> reader,
                      std::unique_ptr<flight::FlightMetadataWriter> writer) override {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const flight::FlightStreamChunk chunk, reader->Next());
      if (chunk.data == nullptr) return arrow::Status::OK();
      const std::string reply = chunk.data->column(0)->type()->name() + " " + std::to_string(chunk.data->num_rows());
      ARROW_RETURN_NOT_OK(writer->WriteMetadata(*arrow::Buffer::FromString(reply)));
    }
  }
};

arrow::Status Serve(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const flight::Location location, flight::Location::Parse(text));
  LookingServer server;
  ARROW_RETURN_NOT_OK(server.Init(flight::FlightServerOptions(location)));
  const bool is_unix = text.starts_with("grpc+unix");
  std::printf("ready grpc=%s\n", is_unix ? text.c_str() : server.location().ToString().c_str());
  std::fflush(stdout);
  return server.Serve();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const arrow::Status status = Serve(argv[1]);
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
