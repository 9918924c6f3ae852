#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "http/router.h"

namespace tensorferry::http {

enum class MetricsFormat : std::uint8_t {
  kText,         // Prometheus's text format, version 0.0.4.
  kOpenMetrics,  // OpenMetrics 1.0.0.
};

struct MetricsPage {
  MetricsFormat format;
  std::string text;
};

// MetricsSource makes the page of metrics, in the format that is wanted if it can. It is called on the thread of the HTTP
// port.
using MetricsSource = std::function<MetricsPage(MetricsFormat wanted)>;

// Returns the route `/metrics`, which answers 404 if there is no source.
Route MetricsRoute(MetricsSource source);

}  // namespace tensorferry::http
