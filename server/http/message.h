// Request and Response are HTTP's messages as routes see them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tensorferry::http {

inline constexpr std::string_view kTextType = "text/plain; charset=utf-8";
inline constexpr std::string_view kJsonType = "application/json";

// Field is one header field.
struct Field {
  std::string name;
  std::string value;
};

// Request is a request that has arrived whole, and whose head makes sense.
struct Request {
  std::string method;         // As it was sent, such as "GET".
  std::string path;           // The target without its query, such as "/livez".
  std::vector<Field> fields;  // In the order in which they came. Names may be of either case.
  std::string body;
  bool has_certificate = false;  // Whether the peer has shown a certificate that a CA of clients has signed.

  // Returns the values of all fields of a name, which is given in either case. Borrows this request.
  std::vector<std::string_view> Values(std::string_view name) const;
};

struct Response {
  unsigned status = 200;
  std::string content_type{kTextType};
  std::string body;
  std::vector<Field> fields{};  // Fields other than those that every answer has.
};

// Returns whether two texts are the same but for the case of ASCII letters.
bool EqualInAnyCase(std::string_view a, std::string_view b);

// Returns the path of a request's target, which is `/path?query` or `http://host/path?query`; empty for other targets.
std::string PathOf(std::string_view target);

}  // namespace tensorferry::http
