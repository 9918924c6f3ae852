// Translates the configuration into the options of the server's parts.
#pragma once

#include "config/config.h"
#include "credentials.h"
#include "inference/model_options.h"
#include "metrics/request_counts.h"
#include "rpc/server.h"

namespace tensorferry {

inference::RepositoryOptions RepositoryOptionsOf(const config::Config& config);

// The options borrow what `credentials` holds, and `counts`.
rpc::ServerOptions ServerOptionsOf(const config::Config& config, const Credentials& credentials,
                                   metrics::RequestCounts& counts);

}  // namespace tensorferry
