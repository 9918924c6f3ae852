#include "rpc/serve/call_metadata.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <charconv>
#include <iterator>
#include <memory>
#include <vector>

#include "base/utf8.h"

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

std::string_view MetadataOf(const AsyncCall& call, std::string_view key) {
  const grpc::ServerContext* const context = call.context_or_null();
  if (context == nullptr) return {};
  const auto [begin, end] = context->client_metadata().equal_range({key.data(), key.size()});
  if (begin == end || std::next(begin) != end) return {};
  return {begin->second.data(), begin->second.size()};
}

std::optional<tracing::TraceParent> TraceParentOf(const AsyncCall& call) {
  return tracing::ParseTraceparent(MetadataOf(call, "traceparent"));
}

std::string_view RequestIdOf(const CallInfo& call) {
  return call.record.request_id.empty() ? MetadataOf(call.caller, "x-request-id") : call.record.request_id;
}

std::string LoggedRequestId(const CallInfo& call) {
  constexpr std::size_t kMostBytes = 128;
  return Printable(RequestIdOf(call), kMostBytes);
}

std::string LoggedTraceId(const CallInfo& call) {
  if (call.trace) return tracing::Hex(call.trace->trace_id);
  const std::optional<tracing::TraceParent> parent = TraceParentOf(call.caller);
  return parent ? tracing::Hex(parent->trace_id) : "";
}

// gRPC writes `ipv4:127.0.0.1:43210` and `ipv6:%5B::1%5D:43210`.
std::string PeerOf(const AsyncCall& call) {
  const grpc::ServerContext* const context = call.context_or_null();
  if (context == nullptr) return "";
  std::string peer = context->peer();
  if (IsInProcess(peer)) return std::string(MetadataOf(call, kPeerKey));
  for (const std::string_view family : {"ipv4:", "ipv6:"}) {
    if (peer.starts_with(family)) peer.erase(0, family.size());
  }
  return Replaced(Replaced(std::move(peer), "%5B", "["), "%5D", "]");
}

std::string AsyncCall::memory_name() const { return MemoryNameOf(CertificateNameOf(*this), PeerOf(*this)); }

std::uint64_t AsyncCall::held_bytes() const {
  const grpc::ServerContext* const context = context_or_null();
  if (context == nullptr || !IsInProcess(context->peer())) return 0;
  const std::string_view told = MetadataOf(*this, kHeldKey);
  std::uint64_t nbytes = 0;
  std::from_chars(told.data(), told.data() + told.size(), nbytes);
  return nbytes;
}

std::string CertificateNameOf(const AsyncCall& call) {
  const grpc::ServerContext* const context = call.context_or_null();
  if (context == nullptr) return "";
  const std::shared_ptr<const grpc::AuthContext> shown = call.auth_context();
  if (shown == nullptr || !shown->IsPeerAuthenticated()) {
    const std::string_view told = MetadataOf(call, kCertificateKey);
    return told.empty() || !IsInProcess(context->peer()) ? "" : std::string(told);
  }
  for (const char* const property :
       {GRPC_PEER_URI_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
    const std::vector<grpc::string_ref> values = shown->FindPropertyValues(property);
    if (!values.empty()) return {values.front().data(), values.front().size()};
  }
  return "";
}

}  // namespace tensorferry::rpc
