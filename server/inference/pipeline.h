#pragma once

#include "inference/converter.h"
#include "inference/model_catalog.h"
#include "inference/repository_control.h"

namespace tensorferry::inference {

// All that inference does for a server. A user of one part of it takes that part alone.
class Pipeline : public Converter, public ModelCatalog, public RepositoryControl {};

}  // namespace tensorferry::inference
