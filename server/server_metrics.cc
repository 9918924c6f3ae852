#include "server_metrics.h"

#include <chrono>
#include <string>
#include <utility>

#include "config/line_writer.h"
#include "inference/repository/torch_pipeline.h"
#include "security/tls_material.h"

namespace tensorferry {
namespace {

using metrics::Metric;
using metrics::Values;

void AddMemory(const BufferPool& pool, Values& values) {
  values.Add(Metric::kInflightBytes, {}, [&pool] { return static_cast<double>(pool.budget().used()); });
  values.Add(Metric::kBudgetBytes, {}, [&pool] { return static_cast<double>(pool.budget().limit()); });
  values.Add(Metric::kLargestPeerBytes, {},
             [&pool] { return static_cast<double>(pool.budget().shares().most_held()); });
  values.Add(Metric::kPoolIdleBytes, {}, [&pool] { return static_cast<double>(pool.stats().idle_bytes); });
  values.Add(Metric::kPoolBuffers, {{"source", "kept"}}, [&pool] { return static_cast<double>(pool.stats().reused); });
  values.Add(Metric::kPoolBuffers, {{"source", "system"}}, [&pool] {
    const BufferPool::Stats stats = pool.stats();
    return static_cast<double>(stats.taken - stats.reused);
  });
}

void AddCredentials(const Credentials& credentials, Values& values) {
  if (const auto* const tls = credentials.tls()) {
    values.Add(Metric::kReloadFailures, {{"kind", "tls"}}, [tls] { return static_cast<double>(tls->failures()); });
    values.Add(Metric::kCertificateExpiry, {}, [tls] {
      const auto expiry = security::ExpiryOf(*tls->Get()).value_or(std::chrono::system_clock::time_point());
      return std::chrono::duration<double>(expiry.time_since_epoch()).count();
    });
  }
  if (const auto* const tokens = credentials.tokens()) {
    values.Add(Metric::kReloadFailures, {{"kind", "tokens"}},
               [tokens] { return static_cast<double>(tokens->failures()); });
  }
}

void AddTraces(const tracing::SpanExporter& spans, Values& values) {
  values.Add(Metric::kTracedRequests, {{"outcome", "exported"}},
             [&spans] { return static_cast<double>(spans.exported()); });
  values.Add(Metric::kTracedRequests, {{"outcome", "dropped"}},
             [&spans] { return static_cast<double>(spans.dropped()); });
}

void AddRefusals(Metric metric, const http::RefusalCounts& refusals, Values& values) {
  for (const unsigned status : http::RefusalCounts::kStatuses) {
    values.Add(metric, {{"status", std::to_string(status)}},
               [&refusals, status] { return static_cast<double>(refusals.Get(status)); });
  }
}

void AddState(const Observed& observed, Values& values) {
  const rpc::Server& server = observed.server;
  values.Add(Metric::kInflightRequests, {}, [&server] { return server.inflight_requests(); });
  values.Add(Metric::kOpenStreams, {}, [&server] { return server.open_streams(); });
  AddRefusals(Metric::kAdminRefusals, observed.refusals.admin, values);
  AddRefusals(Metric::kHttpRefusals, observed.refusals.http, values);
  values.Add(Metric::kReady, {}, [&server] { return server.phase() == rpc::Server::Phase::kReady ? 1 : 0; });
  values.Add(Metric::kDraining, {}, [&server] { return server.phase() == rpc::Server::Phase::kStopping ? 1 : 0; });
  values.Add(Metric::kSelfCheckFailures, {},
             [&check = observed.self_check] { return static_cast<double>(check.failures()); });
  values.Add(Metric::kDroppedLogLines, {}, [] { return static_cast<double>(config::LeftOutLines()); });
  values.Add(Metric::kBuildInfo,
             {{"version", TENSORFERRY_VERSION},
              {"torch_version", inference::TorchVersion()},
              {"grpc_version", rpc::GrpcVersion()}},
             [] { return 1; });
}

Values ValuesOf(const Observed& observed) {
  Values values;
  AddMemory(observed.pool, values);
  AddCredentials(observed.credentials, values);
  AddState(observed, values);
  if (observed.spans != nullptr) AddTraces(*observed.spans, values);
  return values;
}

}  // namespace

ServerMetrics::ServerMetrics(const Observed& observed)
    : values_(ValuesOf(observed)),
      models_(observed.models),
      scraper_({&observed.counts, &values_, &models_, &process_}) {}

http::MetricsSource ServerMetrics::source() const {
  return [this](http::MetricsFormat wanted) -> http::MetricsPage {
    switch (wanted) {
      case http::MetricsFormat::kText: return {wanted, scraper_.Scrape(metrics::Format::kText)};
      case http::MetricsFormat::kOpenMetrics: return {wanted, scraper_.Scrape(metrics::Format::kOpenMetrics)};
    }
    __builtin_unreachable();
  };
}

}  // namespace tensorferry
