#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "http/access.h"
#include "http/content_coding.h"
#include "http/message.h"
#include "security/tokens.h"

namespace tensorferry::http {

// Route is one path. In it `{}` stands for any one segment: `/models/{}/ready`.
struct Route {
  std::string path;
  std::string purpose;    // What the list of routes says of it.
  security::Roles roles;  // Who may ask for it; none: everybody.
  std::function<Response(const Request&)> answer;
  std::vector<std::string> methods{"GET", "HEAD"};
  // Answers in the place of `answer`, at once or later, and must not throw once it has given the reply away.
  std::function<void(Request, Reply)> answer_later{};
  // Whether the route takes a request of its path; empty: it takes every one. What it does not take goes to another route.
  std::function<bool(const Request&)> takes{};
  bool packs_answer = false;  // Whether the answer may be packed, for peers that would rather have it so.
};

// Router finds the route of a request, and answers in its place where there is none, or where the peer may not have it.
// Its own route `/`, for requests that no other route of this path takes, lists the others.
// Threads: any, if the routes' functions may be called on any.
class Router {
 public:
  Router(std::vector<Route> routes, AccessPolicy policy, CodingPolicy codings = {})
      : routes_(std::move(routes)), policy_(std::move(policy)), codings_(std::move(codings)) {}

  // Returns the answer to a request whose body is still to come and does not matter, such as its refusal; nothing if the
  // request may be answered.
  std::optional<Response> Refuse(const Request& head) const;

  // Answers a request that Refuse takes. What a route throws becomes the answer 500.
  void Serve(Request request, const Reply& reply) const;

  // Answers a request of a route that answers at once, or refuses it.
  Response Answer(const Request& request) const;

 private:
  // Found is a route, and what stood in the path for each `{}`.
  struct Found {
    const Route* route = nullptr;    // Null: the list of routes, if `refusal` is none.
    bool of_another_method = false;  // Whether a route has the path, and takes other methods.
    std::vector<std::string> values{};
  };

  Found Find(const Request& request) const;
  std::optional<Response> RefuseAt(const Found& found, const Request& request) const;
  Response ListRoutes() const;

  const std::vector<Route> routes_;
  const AccessPolicy policy_;
  const CodingPolicy codings_;
};

}  // namespace tensorferry::http
