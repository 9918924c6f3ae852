#pragma once

#include <string_view>
#include <vector>

#include "inference/engine/exported_block.h"

namespace tensorferry::inference {

// Returns the inputs of the block that a run may change in place, directly or through views of them.
std::vector<Slot> WrittenInputs(const Block& block);

// Returns whether an operator may return an input itself, or a view of it, although its schema does not say so.
bool MayReturnInput(std::string_view name);

// Notes which uses of values are the last ones, and which results nobody uses.
void MarkLastUses(Block& block);

}  // namespace tensorferry::inference
