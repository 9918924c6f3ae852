// From the configuration to what each part of the server takes.
#pragma once

#include "config/config.h"
#include "inference/model_options.h"
#include "rpc/server.h"

namespace tensorferry {

inference::RepositoryOptions RepositoryOptionsOf(const config::Config& config);

rpc::ServerOptions ServerOptionsOf(const config::Config& config);

}  // namespace tensorferry
