#pragma once

#include <vector>

#include "http/router.h"

namespace tensorferry::page {

// Returns the routes of the page: `/` and the files that it is made of. Everybody may have them, without a token, since
// they say nothing of this server; what they show, the page asks for with the token of who looks at it.
std::vector<http::Route> PageRoutes();

}  // namespace tensorferry::page
