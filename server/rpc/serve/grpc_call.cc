#include "rpc/serve/grpc_call.h"

#include <grpc/grpc_security_constants.h>
#include <grpc/support/time.h>

#include <charconv>
#include <iterator>
#include <vector>

namespace tensorferry::rpc {
namespace {

// gRPC 1.51 knows no address for the in-process transport alone.
bool IsInProcess(std::string_view peer) { return peer == "unknown" || peer.starts_with("inproc"); }

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

std::string_view MetadataOf(const grpc::ServerContext& context, std::string_view key) {
  const auto [begin, end] = context.client_metadata().equal_range({key.data(), key.size()});
  if (begin == end || std::next(begin) != end) return {};
  return {begin->second.data(), begin->second.size()};
}

// gRPC writes `ipv4:127.0.0.1:43210` and `ipv6:%5B::1%5D:43210`.
std::string PeerOf(const grpc::ServerContext& context) {
  std::string peer = context.peer();
  if (IsInProcess(peer)) return std::string(MetadataOf(context, kPeerKey));
  for (const std::string_view family : {"ipv4:", "ipv6:"}) {
    if (peer.starts_with(family)) peer.erase(0, family.size());
  }
  return Replaced(Replaced(std::move(peer), "%5B", "["), "%5D", "]");
}

std::string CertificateNameOf(const grpc::ServerContext& context, const grpc::AuthContext* shown) {
  if (shown == nullptr || !shown->IsPeerAuthenticated()) {
    const std::string_view told = MetadataOf(context, kCertificateKey);
    return told.empty() || !IsInProcess(context.peer()) ? "" : std::string(told);
  }
  for (const char* const property :
       {GRPC_PEER_URI_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
    const std::vector<grpc::string_ref> values = shown->FindPropertyValues(property);
    if (!values.empty()) return {values.front().data(), values.front().size()};
  }
  return "";
}

std::uint64_t HeldBytesOf(const grpc::ServerContext& context) {
  if (!IsInProcess(context.peer())) return 0;
  const std::string_view told = MetadataOf(context, kHeldKey);
  std::uint64_t nbytes = 0;
  std::from_chars(told.data(), told.data() + told.size(), nbytes);
  return nbytes;
}

std::chrono::system_clock::time_point DeadlineOf(const grpc::ServerContext& context) {
  using Clock = std::chrono::system_clock;
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(Clock::time_point::max().time_since_epoch());
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_REALTIME);
  return deadline.tv_sec >= kLast.count() ? Clock::time_point::max() : context.deadline();
}

Operation::Wait GrpcUnaryCall::Next(grpc::ByteBuffer& request) {
  responder_.reset();
  responder_.emplace(Renew());
  expect_(context(), &request, &*responder_, arrived.Start());
  return Operation::Wait(arrived);
}

// Whoever has called keeps `kept` until `finished` is complete.
void GrpcUnaryCall::Finish(const grpc::Status& status, const grpc::ByteBuffer& response,
                           const std::shared_ptr<const void>& /*kept*/) {
  if (status.ok()) {
    responder_->Finish(response, status, finished.Start());
  } else {
    responder_->FinishWithError(status, finished.Start());
  }
}

}  // namespace tensorferry::rpc
