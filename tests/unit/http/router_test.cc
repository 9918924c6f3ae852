#include "http/router.h"

#include <gmock/gmock.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>

namespace tensorferry::http {
namespace {

using security::Role;
using security::Roles;
using security::Tokens;
using testing::Each;
using testing::Field;
using testing::HasSubstr;

std::unique_ptr<security::Reloaded<Tokens>> TokensOf(const std::string& text) {
  return security::Reloaded<Tokens>::Load({.name = "tokens",
                                           .read = [text] { return Tokens::Parse(text); },
                                           .check = [](const auto&) { return absl::OkStatus(); },
                                           .describe = [](const auto&) { return ""; }})
      .value();
}

Router MakeRouter(AccessPolicy policy = {}) {
  const auto says = [](std::string text) { return [text](const Request&) { return Response{.body = text}; }; };
  return Router({{"/open", "for all", Roles(), says("open")},
                 {"/metrics", "numbers", Role::kMetrics, says("metrics")},
                 {"/configz", "settings", Role::kAdmin, says("configz")},
                 {"/broken", "throws", Roles(), [](const Request&) -> Response { throw std::runtime_error("hush"); }}},
                policy);
}

nlohmann::json ErrorOf(const Response& response) { return nlohmann::json::parse(response.body).at("error"); }

TEST(Router, AnswersAtItsPaths) {
  const Router router = MakeRouter();
  EXPECT_EQ(router.Answer({.method = "GET", .path = "/open"}).body, "open");
  EXPECT_EQ(router.Answer({.method = "HEAD", .path = "/configz"}).body, "configz");
  for (const std::string path : {"/ope", "/open/", "/Open", "//open", "/%6fpen"}) {
    const Response response = router.Answer({.method = "GET", .path = path});
    EXPECT_EQ(response.status, 404U);
    EXPECT_EQ(ErrorOf(response)["actual"], path);
  }
}

TEST(Router, AnswersForItsHostsAlone) {
  const Router router = MakeRouter({.local_hosts = true, .hosts = {"here.example"}});
  const auto status_for = [&](const std::string& path, const std::string& host) {
    return router.Answer({.method = "GET", .path = path, .fields = {{"hOsT", host}}}).status;
  };
  for (const std::string host : {"localhost", "localhost:8002", "LOCALHOST:1", "127.0.0.1:8002", "127.9.9.9", "[::1]",
                                 "[::1]:8002", "here.example", "Here.Example:80"}) {
    EXPECT_EQ(status_for("/configz", host), 200U) << host;
  }
  for (const std::string host :
       {"", ":8002", "evil.example", "evil.example:8002", "localhost.evil.example", "127.0.0.1.evil.example",
        "here.example.evil", "10.0.0.1", "[::2]:8002", "[::1", "::1"}) {
    EXPECT_EQ(status_for("/configz", host), 421U) << host;
    EXPECT_EQ(status_for("/open", host), 200U) << host;
  }
  EXPECT_EQ(router.Answer({.method = "GET", .path = "/configz"}).status, 200U);  // HTTP/1.0, without the field.
}

TEST(Router, ListsItsRoutes) {
  const auto page = nlohmann::json::parse(MakeRouter().Answer({.method = "GET", .path = "/"}).body);
  std::set<std::string> listed;
  for (const auto& route : page["routes"]) {
    listed.insert(route["path"].get<std::string>() + ": " + route["for"].get<std::string>());
  }
  EXPECT_THAT(listed, testing::ElementsAre("/broken: everybody", "/configz: admin", "/metrics: admin, metrics",
                                           "/open: everybody"));
}

TEST(Router, TakesGetAndHeadAlone) {
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "get", "NONSENSE"}) {
    const Response response = MakeRouter().Answer({.method = method, .path = "/open"});
    EXPECT_EQ(response.status, 405U) << method;
    EXPECT_THAT(response.fields, Each(testing::FieldsAre("Allow", "GET, HEAD")));
    EXPECT_EQ(response.fields.size(), 1U);
    EXPECT_EQ(ErrorOf(response)["expected"], "GET, HEAD");
  }
}

TEST(Router, KeepsToItselfWhatARouteThrows) {
  const Response response = MakeRouter().Answer({.method = "GET", .path = "/broken"});
  EXPECT_EQ(response.status, 500U);
  EXPECT_THAT(response.body, testing::Not(HasSubstr("hush")));
}

TEST(Router, AsksForTheTokenOfARole) {
  const auto tokens = TokensOf("infer i\nadmin a\nmetrics m\n");
  const Router router = MakeRouter({.tokens = tokens.get()});
  const auto status = [&](const std::string& path, const std::string& value) {
    Request request{.method = "GET", .path = path};
    if (!value.empty()) request.fields.push_back({"authorization", value});
    return router.Answer(request).status;
  };
  for (const std::string value : {"", "Bearer i", "nonsense"}) EXPECT_EQ(status("/open", value), 200U);
  for (const std::string path : {"/metrics", "/configz"}) {
    EXPECT_EQ(status(path, "Bearer a"), 200U);
    EXPECT_EQ(status(path, "bEARER  a"), 200U);
    EXPECT_EQ(status(path, "Bearer i"), 403U);
    for (const std::string value : {"", "a", "Bearer", "Bearer ", "Basic a", "Bearer x", "Bearer a b"}) {
      EXPECT_EQ(status(path, value), 401U) << value;
    }
  }
  EXPECT_EQ(status("/metrics", "Bearer m"), 200U);
  EXPECT_EQ(status("/configz", "Bearer m"), 403U);
}

TEST(Router, TakesOneTokenOnly) {
  const auto tokens = TokensOf("admin a\n");
  const Request request{
      .method = "GET", .path = "/configz", .fields = {{"authorization", "Bearer a"}, {"Authorization", "Bearer a"}}};
  const Response response = MakeRouter({.tokens = tokens.get()}).Answer(request);
  EXPECT_EQ(response.status, 401U);
  EXPECT_THAT(response.fields, testing::ElementsAre(testing::FieldsAre("WWW-Authenticate", "Bearer")));
}

TEST(Router, ShowsNoToken) {
  const auto tokens = TokensOf("metrics hush\n");
  const Router router = MakeRouter({.tokens = tokens.get()});
  for (const std::string value : {"Bearer hush", "Bearer hush-hush", "hush"}) {
    const Response response =
        router.Answer({.method = "GET", .path = "/configz", .fields = {{"authorization", value}}});
    EXPECT_GE(response.status, 401U);
    EXPECT_THAT(response.body, testing::Not(HasSubstr("hush")));
  }
}

TEST(Router, AsksForACertificateWhereItIsToldTo) {
  const Router router = MakeRouter({.certificates = true});
  EXPECT_EQ(router.Answer({.method = "GET", .path = "/open"}).status, 200U);
  EXPECT_EQ(router.Answer({.method = "GET", .path = "/configz"}).status, 403U);
  EXPECT_EQ(router.Answer({.method = "GET", .path = "/configz", .has_certificate = true}).status, 200U);
}

}  // namespace
}  // namespace tensorferry::http
