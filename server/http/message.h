// Request and Response are HTTP's messages as routes see them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/cancellation.h"

namespace tensorferry::http {

inline constexpr std::string_view kTextType = "text/plain; charset=utf-8";
inline constexpr std::string_view kJsonType = "application/json";
inline constexpr unsigned kNoContent = 204;  // Has neither a body nor a length of one (RFC 9110, 8.6).
inline constexpr unsigned kHttp11 = 11;      // HTTP/1.1, as Boost.Beast numbers versions.

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
  std::string_view body;      // Lives as long as `body_owner`.
  std::shared_ptr<const void> body_owner;
  std::vector<std::string> path_values;  // What stands in the path for each `{}` of the route's, percent-decoded.
  std::string peer;                      // The address of the peer, such as "127.0.0.1:43210".
  bool has_certificate = false;          // Whether the peer has shown a certificate that a CA of clients has signed.
  std::string certificate{};             // How that certificate names the peer.
  std::shared_ptr<Cancellation> cancellation{};  // Null: nobody watches whether the peer is still there.

  // Returns the values of all fields of a name, which is given in either case. Borrows this request.
  std::vector<std::string_view> Values(std::string_view name) const;
};

// Problem says why a request is not answered with what it asks for.
struct Problem {
  unsigned status;  // HTTP's number, such as 404.
  std::string message;
  std::string expected;
  std::string actual;
  std::string reason{};  // The name of a Reason, where there is one.
};

// BodyStream makes the body of an answer piece by piece, each when the peer has taken the one before. Its destructor says
// that nobody wants the rest.
class BodyStream {
 public:
  // Piece is some bytes of a body, one at least, which live as long as `owner`.
  struct Piece {
    std::vector<std::string_view> bytes;
    std::shared_ptr<const void> owner;
  };

  // Gets the next piece, or nothing behind the last one: at once or later, on any thread, and perhaps when the stream is
  // gone.
  using Next = std::function<void(std::optional<Piece>)>;

  BodyStream() = default;
  BodyStream(const BodyStream&) = delete;
  BodyStream& operator=(const BodyStream&) = delete;
  virtual ~BodyStream() = default;

  // Asks for the next piece. The piece before has been given, or none was asked for.
  virtual void Pull(Next next) = 0;
};

struct Response {
  unsigned status = 200;
  std::string content_type{kTextType};
  std::string body;
  std::vector<Field> fields{};  // Fields other than those that every answer has, or in their place.
  // More of the body, behind `body`, which is sent from where it lies. `owner` keeps it alive.
  std::vector<std::string_view> pieces{};
  std::shared_ptr<const void> owner{};
  // The rest of a body whose length nobody knows. Null: there is none.
  std::shared_ptr<BodyStream> stream{};
  // What ErrorResponse has told, for ports whose errors have another form.
  std::shared_ptr<const Problem> problem{};
};

// Reply answers one request: at once or later, on any thread, whether or not the connection and the server are still
// there. A second answer to the same request is dropped.
using Reply = std::function<void(Response)>;

// Returns whether two texts are the same but for the case of ASCII letters.
bool EqualInAnyCase(std::string_view a, std::string_view b);

// Returns the bytes that `text` means, where `%2F` is a slash; nothing if a `%` has no two hexadecimal digits behind it.
std::optional<std::string> PercentDecoded(std::string_view text);

// Returns the path of a request's target, which is `/path?query` or `http://host/path?query`; empty for other targets.
std::string PathOf(std::string_view target);

}  // namespace tensorferry::http
