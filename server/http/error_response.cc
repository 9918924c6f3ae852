#include "http/error_response.h"

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"

namespace tensorferry::http {
namespace {

constexpr std::size_t kMaxMessageBytes = 512;
constexpr std::size_t kMaxValueBytes = 128;

}  // namespace

Response ErrorResponse(const Problem& problem, std::vector<Field> fields) {
  const nlohmann::ordered_json error = {{"status", problem.status},
                                        {"message", Printable(problem.message, kMaxMessageBytes)},
                                        {"expected", Printable(problem.expected, kMaxValueBytes)},
                                        {"actual", Printable(problem.actual, kMaxValueBytes)}};
  return {.status = problem.status,
          .content_type = std::string(kJsonType),
          .body = nlohmann::ordered_json{{"error", error}}.dump() + "\n",
          .fields = std::move(fields),
          .problem = std::make_shared<const Problem>(problem)};
}

}  // namespace tensorferry::http
