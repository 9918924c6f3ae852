#include "web/routes.h"

#include <iterator>
#include <utility>

namespace tensorferry::web {

std::vector<http::Route> Routes(const RouteContext& context) {
  std::vector<http::Route> all;
  for (auto* const list : {ServerRoutes, ModelRoutes, InferRoutes, RepositoryRoutes, SettingsRoutes}) {
    std::vector<http::Route> routes = list(context);
    all.insert(all.end(), std::move_iterator(routes.begin()), std::move_iterator(routes.end()));
  }
  return all;
}

}  // namespace tensorferry::web
