#pragma once

#include <chrono>

#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "cli/overview.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

// Scrape asks for /metrics at Arguments::metrics, with the token and the certificates of `options`. With Arguments::wait it
// asks again until somebody answers, or the timeout is over.
// Errors: UNAVAILABLE if there is no answer; UNAUTHENTICATED, PERMISSION_DENIED, FAILED_PRECONDITION if it refuses; those of
//         FiguresIn.
absl::StatusOr<Figures> Scrape(const Arguments& arguments, const client::ConnectOptions& options,
                               std::chrono::milliseconds timeout);

}  // namespace tensorferry::cli
