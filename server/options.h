// Translates the configuration into the options of the server's parts.
#pragma once

#include "config/config.h"
#include "credentials.h"
#include "inference/model_options.h"
#include "rpc/server.h"
#include "tracing/span_exporter.h"

namespace tensorferry {

inference::RepositoryOptions RepositoryOptionsOf(const config::Config& config);

// The options borrow what `credentials` and `recorders` hold. Without an admin port nobody sees what is counted, so nothing
// is.
rpc::ServerOptions ServerOptionsOf(const config::Config& config, const Credentials& credentials,
                                   const rpc::CallRecorders& recorders);

}  // namespace tensorferry
