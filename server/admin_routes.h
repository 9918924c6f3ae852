#pragma once

#include <vector>

#include "admin_port.h"
#include "http/router.h"

namespace tensorferry {

// Returns the routes of the admin port. They borrow what `sources` refers to. None of them waits for a model, or for a
// thread that serves calls.
std::vector<http::Route> AdminRoutes(const AdminSources& sources);

}  // namespace tensorferry
