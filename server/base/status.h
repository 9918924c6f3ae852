// Errors are absl::Status values that carry a Reason, and the details that a caller needs to correct the request.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/reason.h"

namespace tensorferry {

// ErrorDetails is the machine-readable part of an error. A field that does not apply stays empty.
struct ErrorDetails {
  std::string field;                         // The request's field at fault: "shape".
  std::string expected;                      // The right value, in the field's own unit: "24".
  std::string actual;                        // The value that came: "23".
  std::string limit;                         // The limit that was exceeded, in the field's own unit.
  std::chrono::milliseconds retry_after{0};  // 0: the same request will not succeed later.
  std::string log_text;                      // For the server's log only: a library's own words, which may hold paths.
};

// Marks `word` in a message as a word that a protocol may replace by its own: the name of a dtype, or "array".
// MakeError and InArray remember its place, and Reworded() replaces it. In ErrorDetails a term is a plain word.
std::string Term(std::string_view word);

// Makes an error with the code that belongs to `reason`. `message` is one line for people: it says what was expected
// and what came, and holds no path, address or element bytes. Text from the wire goes through Quote() first, dtypes go
// through Term().
absl::Status MakeError(Reason reason, std::string_view message, const ErrorDetails& details = {});

// Returns `error` as an error of one array: the message begins with "array 'x': ", and the metadata name the array.
absl::Status InArray(std::string_view array_name, const absl::Status& error);

// Returns `error` as InArray does, where other arrays have the same name: "array 'x': arrays[1]: ".
absl::Status InArrayAt(std::string_view array_name, std::size_t index, const absl::Status& error);

// Returns `error` as an error of one output: the message begins with "output 'y': ", and the metadata name the output
// as the array.
absl::Status InOutput(std::string_view output_name, const absl::Status& error);

// Returns `error` as an error of one model: the message begins with "model 'm': ".
absl::Status InModel(std::string_view model_name, const absl::Status& error);

// Returns `error` with another message, which has no terms.
absl::Status WithMessage(std::string_view message, const absl::Status& error);

// Returns the message of `error`, with each term replaced by what `word_for` returns for it.
std::string Reworded(const absl::Status& error, const std::function<std::string(std::string_view)>& word_for);

// Failure holds the parts that MakeError and InArray put into a status.
struct Failure {
  Reason reason = Reason::kInternal;
  std::string message;
  std::map<std::string, std::string> metadata;  // The keys array, field, expected, actual and limit, as they apply.
  std::chrono::milliseconds retry_after{0};
  std::string log_text;
};

// Returns the reason of an error. That of a status that MakeError did not make is INTERNAL.
Reason ReasonOf(const absl::Status& error);

// Takes an error apart. A status that MakeError did not make becomes INTERNAL, and its message is not passed on.
Failure DescribeError(const absl::Status& error);

// Returns `text` in single quotes, as one printable line of at most 80 bytes, whatever bytes it holds.
std::string Quote(std::string_view text);

// Returns from the calling function with the status of `expr` if that is an error.
#define TENSORFERRY_RETURN_IF_ERROR(expr)                                                  \
  do {                                                                                     \
    if (absl::Status tensorferry_status = (expr); !tensorferry_status.ok()) [[unlikely]] { \
      return tensorferry_status;                                                           \
    }                                                                                      \
  } while (false)

// Assigns the value of `expr` to `lhs`, or returns from the calling function with its status. It expands to several
// statements, so it must not be the body of an unbraced `if`.
#define TENSORFERRY_ASSIGN_OR_RETURN(lhs, expr) \
  TENSORFERRY_ASSIGN_IMPL(TENSORFERRY_CONCAT(tensorferry_result_, __LINE__), lhs, expr)
#define TENSORFERRY_ASSIGN_IMPL(result, lhs, expr) \
  auto result = (expr);                            \
  if (!result.ok()) [[unlikely]]                   \
    return std::move(result).status();             \
  lhs = *std::move(result)
#define TENSORFERRY_CONCAT(a, b) TENSORFERRY_CONCAT_IMPL(a, b)
#define TENSORFERRY_CONCAT_IMPL(a, b) a##b

}  // namespace tensorferry
