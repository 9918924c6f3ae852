#pragma once

#include "inference/converter.h"
#include "inference/model_catalog.h"
#include "inference/repository_control.h"

namespace tensorferry::inference {

// Pipeline is everything that inference does for a server. Code that uses only one part of it takes that base class.
class Pipeline : public Converter, public ModelCatalog, public RepositoryControl {};

}  // namespace tensorferry::inference
