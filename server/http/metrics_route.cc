#include "http/metrics_route.h"

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "http/error_response.h"
#include "http/media_type.h"

namespace tensorferry::http {
namespace {

// Each form stands at the index that its MetricsFormat has.
constexpr auto kForms = std::to_array<MediaType>({
    {.type = "text/plain", .parameter = "version=0.0.4"},
    {.type = "application/openmetrics-text", .parameter = "version=1.0.0"},
});
static_assert(kForms.size() == static_cast<std::size_t>(MetricsFormat::kOpenMetrics) + 1);

std::string ContentTypeOf(MetricsFormat format) {
  const MediaType& form = kForms.at(static_cast<std::size_t>(format));
  return std::string(form.type) + "; " + std::string(form.parameter) + "; charset=utf-8";
}

}  // namespace

Route MetricsRoute(MetricsSource source) {
  return {.path = "/metrics",
          .purpose = "numbers to watch, for Prometheus",
          .roles = security::Role::kMetrics,
          .answer = [source = std::move(source)](const Request& request) -> Response {
            if (!source) {
              return ErrorResponse({.status = 404,
                                    .message = "this server keeps no metrics",
                                    .expected = "a server with metrics",
                                    .actual = "one without"});
            }
            MetricsPage page = source(static_cast<MetricsFormat>(ChooseMediaType(AcceptOf(request), kForms)));
            return {.content_type = ContentTypeOf(page.format), .body = std::move(page.text)};
          }};
}

}  // namespace tensorferry::http
