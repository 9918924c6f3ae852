#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/convert_options.h"
#include "tensorferry/client/error.h"
#include "tensorferry/client/model_statistics.h"
#include "tensorferry/client/response.h"
#include "tensorferry/client/server_info.h"
#include "tensorferry/client/stream.h"
#include "tensorferry/client/tls.h"
#include "tensorferry/client/writable_array.h"

namespace tensorferry::client {

class Attempts;
class Connection;

// Transport says how the elements of arrays travel.
enum class Transport : std::uint8_t {
  kAuto,   // In sealed memory where that is quicker, and the server takes it; else in messages.
  kBytes,  // In messages.
  kSealed,  // All in sealed memory, to a server at `unix:PATH` on this machine; where that cannot be, calls fail. Elements
            // that come back may come in messages.
};

struct ConnectOptions {
  std::chrono::milliseconds keepalive{60'000};  // A connection that has been silent for this long is probed.
  std::optional<TlsOptions> tls;                // None: the connection is in the clear.
  std::string token;                            // Sent with every call, as `authorization: Bearer TOKEN`. Empty: none.
  Transport transport = Transport::kAuto;
  bool wait_for_ready = false;  // Calls wait for a server that cannot be reached, until their timeout.
};

// Client is a connection to a tensorferry server.
//
// Errors:  a status of a refusal carries the server's reason and metadata: ToError(status). Without a connection,
//          IsUnreachable(status) is true.
// Threads: any; copies share one connection.
class Client {
 public:
  // Connect takes an `address` of the form `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. The connection is made by the
  // first call, and made anew whenever it breaks. Several servers are `ipv4:IP:PORT,IP:PORT`, the same with `ipv6:`, or
  // `dns:///HOST:PORT` for a host with several addresses: each call, and each stream, goes to the next that is healthy.
  // Errors: INVALID_ARGUMENT for an address of another form, for a token with blanks or what is not ASCII, and for
  //         kSealed with an address that is no `unix:PATH`.
  static absl::StatusOr<Client> Connect(const std::string& address, const ConnectOptions& options = {});

  // Convert sends the arrays as one request, and the server runs a model on them if `options` name one. The response
  // has one tensor per array.
  //
  // At `unix:PATH` arrays of Empty go in sealed memory without a copy from 256 KiB on, and 1 to 4 MiB of others as a
  // copy, if the server takes it. Otherwise more than 4 MiB of arrays go in chunks. The arrays are borrowed until Convert
  // returns; those with an `Array::owner` are not copied.
  //
  // Returned elements of any size arrive in one buffer per tensor. At `unix:PATH` the server writes them, where it is
  // known that 1 to 512 MiB come back, to memory that this connection has lent it, and they lie there, without a copy:
  // TensorData says how long. How many come back is remembered of a model and arrays of one size, so that the first
  // answer comes in messages; `ConvertOptions::expected_output_bytes` says it before. At most four unanswered requests
  // have such memory, answers to others come in messages. What is to be used again stays with the server, at most eight
  // regions with 512 MiB together, until the last copy of this object is gone.
  absl::StatusOr<Response> Convert(std::span<const Array> arrays, const ConvertOptions& options = {});

  // Empty makes an array for elements that are to be sent: `dtype` is as for `Array::dtype`, and the order is C. Where
  // arrays travel in sealed memory it lies in such memory, else in the process's own.
  // Errors: the server's of `dtype` and `shape`, with its reasons; RESOURCE_EXHAUSTED where the system has no memory for
  //         it, with kSealed also where it has none that can be sealed.
  absl::StatusOr<WritableArray> Empty(std::string name, std::vector<std::int64_t> shape, std::string dtype) const;

  // Empty<T> makes an array of C++ values: Empty<float>("x", {2, 3}).
  template <typename T>
  absl::StatusOr<WritableArray> Empty(std::string name, std::vector<std::int64_t> shape) const {
    return Empty(std::move(name), std::move(shape), std::string(kDTypeName<T>));
  }

  // Opens a stream for many requests.
  Stream OpenStream(const StreamOptions& options = {});

  static constexpr std::chrono::milliseconds kQueryTimeout{10'000};
  absl::StatusOr<ServerInfo> GetServerInfo(std::chrono::milliseconds timeout = kQueryTimeout);
  absl::StatusOr<std::vector<ModelInfo>> ListModels(std::chrono::milliseconds timeout = kQueryTimeout);

  // GetStatistics returns what the ready versions of `model` have done, or with "" those of all models.
  absl::StatusOr<std::vector<ModelStatistics>> GetStatistics(const std::string& model = "",
                                                             std::chrono::milliseconds timeout = kQueryTimeout);
  // GetModelConfig returns the configuration of the version that the server would choose.
  absl::StatusOr<ModelConfig> GetModelConfig(const std::string& model,
                                             std::chrono::milliseconds timeout = kQueryTimeout);

  // LoadModel loads the model from the server's repository, or loads it anew; UnloadModel takes it out of service.
  // Either returns when that is done, which may take long: without a timeout they wait for as long as it takes.
  // Errors: MODEL_NOT_READY if the server does not let callers load and unload, or if the model cannot be loaded, with
  //         the cause in the message; MODEL_NOT_FOUND for a model that the repository does not have.
  absl::Status LoadModel(const std::string& model, std::chrono::milliseconds timeout = {});
  absl::Status UnloadModel(const std::string& model, std::chrono::milliseconds timeout = {});

  // Ping returns the health of one service, or of the whole server ("").
  // Errors: NOT_FOUND for a service that the server does not know.
  absl::StatusOr<Health> Ping(const std::string& service = "", std::chrono::milliseconds timeout = kQueryTimeout);

 private:
  explicit Client(std::shared_ptr<Connection> connection);
  absl::StatusOr<Response> ConvertOnce(std::span<const Array> arrays, const ConvertOptions& options,
                                       const Attempts& attempts);
  absl::StatusOr<Response> Send(std::span<const Array> arrays, const ConvertOptions& options, const Attempts& attempts);
  absl::StatusOr<Response> ConvertOnStream(std::span<const Array> arrays, const ConvertOptions& options,
                                           std::chrono::milliseconds timeout);
  std::shared_ptr<Connection> connection_;
};

}  // namespace tensorferry::client
