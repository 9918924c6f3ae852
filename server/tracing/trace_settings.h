#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fetch/http_target.h"
#include "tracing/sampler.h"

namespace tensorferry::tracing {

// TraceSettings says where spans go, and which, as OpenTelemetry's environment variables have it.
struct TraceSettings {
  fetch::HttpTarget collector;  // An empty host: nothing is exported.
  std::string ca_file;          // As HttpRequest::ca_file.
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::milliseconds timeout{10'000};  // Of one request to the collector.
  Sampler sampler;
  std::vector<std::pair<std::string, std::string>> resource;  // The attributes of the resource, `service.name` first.

  bool enabled() const { return !collector.host.empty(); }
};

struct ReadTraceSettingsResult {
  TraceSettings settings;
  std::vector<std::string> warnings;  // One line for each variable that cannot be used. It holds no header's value.
};

// Returns the value of an environment variable, or null, as std::getenv.
using ReadVariable = std::function<const char*(const char* name)>;

// Reads OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT, their _CERTIFICATE, _HEADERS, _TIMEOUT and
// _PROTOCOL, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_TRACES_EXPORTER and
// OTEL_SDK_DISABLED. An empty variable counts as unset. One that cannot be used is a warning, and its default holds: no
// mistake about traces keeps a server from serving.
ReadTraceSettingsResult ReadTraceSettings(const ReadVariable& read, std::string_view version);

}  // namespace tensorferry::tracing
