#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/access.h"
#include "http/message.h"
#include "security/tokens.h"

namespace tensorferry::http {

// Route is one path, for the methods GET and HEAD.
struct Route {
  std::string path;
  std::string purpose;    // What the list of routes says of it.
  security::Roles roles;  // Who may ask for it; none: everybody.
  std::function<Response(const Request&)> answer;
};

// Router finds the route of a request, and answers in its place where there is none, or where the peer may not have it.
// Its own route `/` lists the others.
// Threads: any, if the routes' functions may be called on any.
class Router {
 public:
  Router(std::vector<Route> routes, AccessPolicy policy) : routes_(std::move(routes)), policy_(policy) {}

  // Answers every request. What a route throws becomes the answer 500.
  Response Answer(const Request& request) const;

 private:
  const Route* Find(std::string_view path) const;
  Response AnswerGuarded(const Request& request) const;
  Response ListRoutes() const;

  const std::vector<Route> routes_;
  const AccessPolicy policy_;
};

}  // namespace tensorferry::http
