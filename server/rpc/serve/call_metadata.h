// What gRPC knows of a call's caller. All of it is looked up when it is asked for: to make the map of a call's metadata
// costs gRPC an allocation for each entry.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rpc/serve/async_call.h"
#include "rpc/serve/call_chain.h"
#include "tracing/trace_context.h"

namespace tensorferry::rpc {

// Returns the value of the call's metadata `key`, in lower case. Empty: there is none, or several, of which none can be
// the one that is meant.
std::string_view MetadataOf(const AsyncCall& call, std::string_view key);

// Returns the caller's place in a trace, from `traceparent`. Nothing: it sends none, or one that is malformed.
std::optional<tracing::TraceParent> TraceParentOf(const AsyncCall& call);

// Returns the caller's name for the request: its request_id, or else its `x-request-id`. Borrowed as CallRecord is.
std::string_view RequestIdOf(const CallInfo& call);

// Return what the log tells of a call: of the caller's name for the request no more than 128 bytes, and the trace's id,
// empty if there is none.
std::string LoggedRequestId(const CallInfo& call);
std::string LoggedTraceId(const CallInfo& call);

// kPeerKey, kCertificateKey and kHeldKey are the metadata by which a part of this process says for whom it calls: his
// address, how his certificate names him, and how many bytes of the memory budget his request has already. From outside
// they mean nothing.
inline constexpr char kPeerKey[] = "tensorferry-peer";
inline constexpr char kCertificateKey[] = "tensorferry-certificate-bin";
inline constexpr char kHeldKey[] = "tensorferry-held-bytes";

// Returns the caller's address: `127.0.0.1:43210`, `[::1]:43210`, or `unix:` and a path if it has one. That of a call
// from within this process is its kPeerKey.
std::string PeerOf(const AsyncCall& call);

// Returns how the certificate that the caller has shown names it: the first URI of its subject's alternative names, else
// the first of the others, else the common name. That of a call from within this process is its kCertificateKey. Empty:
// the caller has shown none.
std::string CertificateNameOf(const AsyncCall& call);

}  // namespace tensorferry::rpc
