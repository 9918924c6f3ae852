// Translates the configuration into the options of the server's parts.
#pragma once

#include "config/config.h"
#include "credentials.h"
#include "inference/model_options.h"
#include "rpc/server.h"

namespace tensorferry {

inference::RepositoryOptions RepositoryOptionsOf(const config::Config& config);

// The options borrow `recent_calls`, and what `credentials` holds.
rpc::ServerOptions ServerOptionsOf(const config::Config& config, const Credentials& credentials,
                                   rpc::RecentCalls& recent_calls);

}  // namespace tensorferry
