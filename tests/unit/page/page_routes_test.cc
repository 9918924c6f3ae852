#include "page/page_routes.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace tensorferry::page {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

http::Response Ask(const std::string& path, std::vector<http::Field> fields = {}) {
  return http::Router(PageRoutes(), {}).Answer({.method = "GET", .path = path, .fields = std::move(fields)});
}

std::string FieldOf(const http::Response& response, std::string_view name) {
  const auto field = std::ranges::find(response.fields, name, &http::Field::name);
  return field == response.fields.end() ? "" : field->value;
}

TEST(PageRoutes, AnswerWithTheFilesAsTheyAre) {
  EXPECT_EQ(Ask("/").body, TextOf(std::filesystem::path(PAGE_FOLDER) / "index.html"));
  EXPECT_EQ(Ask("/").content_type, "text/html; charset=utf-8");
  for (const auto& entry : std::filesystem::directory_iterator(PAGE_FOLDER)) {
    const std::string extension = entry.path().extension();
    if (extension != ".js" && extension != ".css" && extension != ".svg") continue;
    const http::Response response = Ask("/page/" + entry.path().filename().string());
    EXPECT_EQ(response.status, 200U) << entry.path();
    EXPECT_EQ(response.body, TextOf(entry.path())) << entry.path();
  }
}

TEST(PageRoutes, NameNothingThatIsNotThere) {
  const std::regex reference(R"re((?:from |import\(|src=|href=)"(?:\./|page/)([\w.]+)")re");
  std::size_t references = 0;
  for (const http::Route& route : PageRoutes()) {
    const std::string body = Ask(route.path).body;
    for (std::sregex_iterator match(body.begin(), body.end(), reference), end; match != end; ++match) {
      EXPECT_EQ(Ask("/page/" + (*match)[1].str()).status, 200U) << route.path << " names " << (*match)[0];
      ++references;
    }
  }
  EXPECT_GT(references, 40U);
}

TEST(PageRoutes, LetABrowserKeepWhatHasNotChanged) {
  const http::Response first = Ask("/page/app.js");
  const std::string etag = FieldOf(first, "ETag");
  EXPECT_THAT(etag, testing::MatchesRegex("\"[0-9a-f]+\""));
  EXPECT_EQ(FieldOf(first, "Cache-Control"), "no-cache");
  for (const std::string& value : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    const http::Response again = Ask("/page/app.js", {{"If-None-Match", value}});
    EXPECT_EQ(again.status, 304U) << value;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(FieldOf(again, "ETag"), etag);
  }
  EXPECT_EQ(Ask("/page/app.js", {{"If-None-Match", "\"other\""}}).status, 200U);
  std::set<std::string> etags;
  for (const http::Route& route : PageRoutes()) etags.insert(FieldOf(Ask(route.path), "ETag"));
  EXPECT_EQ(etags.size(), PageRoutes().size());
}

TEST(PageRoutes, AllowNoScriptButTheServersOwn) {
  for (const http::Route& route : PageRoutes()) {
    const http::Response response = Ask(route.path);
    const std::string policy = FieldOf(response, "Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, HasSubstr("script-src 'self';"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_EQ(FieldOf(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_TRUE(route.roles.empty()) << route.path;
  }
}

TEST(PageRoutes, AreShownAfterLessThan100Kilobytes) {
  std::size_t bytes = 0;
  for (const char* const path :
       {"/", "/page/page.css", "/page/icon.svg", "/page/app.js", "/page/api.js", "/page/dom.js", "/page/overview.js",
        "/page/charts.js", "/page/format.js", "/page/prometheus.js", "/page/spec.js"}) {
    bytes += Ask(path).body.size();
  }
  EXPECT_LT(bytes, 100'000U);
}

}  // namespace
}  // namespace tensorferry::page
