#pragma once

#include "base/buffer_pool.h"
#include "credentials.h"
#include "http/metrics_route.h"
#include "http/refusal_counts.h"
#include "inference/model_catalog.h"
#include "metrics/model_metrics.h"
#include "metrics/process_metrics.h"
#include "metrics/request_counts.h"
#include "metrics/scraper.h"
#include "metrics/values.h"
#include "rpc/self_check.h"
#include "rpc/server.h"
#include "tracing/span_exporter.h"

namespace tensorferry {

// PortRefusals are the answers of each HTTP listener that refuse.
struct PortRefusals {
  http::RefusalCounts admin, http;
};

// Observed are the parts of the server whose metrics are told.
struct Observed {
  const metrics::RequestCounts& counts;
  const BufferPool& pool;
  const inference::ModelCatalog& models;
  const Credentials& credentials;
  const rpc::Server& server;
  const rpc::SelfCheck& self_check;
  const PortRefusals& refusals;
  const tracing::SpanExporter* spans;  // Null: nothing is traced.
};

// ServerMetrics has all metrics of the process.
// Lifetime: borrows what `observed` refers to.
// Threads:  any.
class ServerMetrics {
 public:
  explicit ServerMetrics(const Observed& observed);
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  // Returns what makes the page of metrics. It borrows this object.
  http::MetricsSource source() const;

 private:
  const metrics::Values values_;
  const metrics::ModelMetrics models_;
  const metrics::ProcessMetrics process_;
  const metrics::Scraper scraper_;
};

}  // namespace tensorferry
