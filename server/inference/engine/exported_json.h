#pragma once

#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "inference/engine/exported_schema.h"

namespace tensorferry::inference {

// WrongProgram is thrown by what reads the JSON of an exported program, and caught where the reading began.
struct WrongProgram : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Parses JSON that is nested at most kMaxProgramDepth deep, and has at most kMaxProgramValues values.
// Throws: WrongProgram, or an exception of the JSON library.
nlohmann::json ParseBounded(std::string_view text);

// These functions read enumerations of the format, whose numbers are not torch's. Throws: WrongProgram.
c10::ScalarType ScalarTypeOf(const nlohmann::json& number);
c10::Layout LayoutOf(const nlohmann::json& number);
c10::MemoryFormat MemoryFormatOf(const nlohmann::json& number);

// Reads a whole number, for which `true` and 1.0 do not pass. Throws: WrongProgram.
std::int64_t IntOf(const nlohmann::json& number);

// Reads a number, or one of the words that stand for infinities and NaN. Throws: WrongProgram.
double FloatOf(const nlohmann::json& number);

// Returns the only member of an object that is a union: its name, and its value. Throws: WrongProgram.
std::pair<std::string, const nlohmann::json&> UnionOf(const nlohmann::json& json);

// Reads an argument or a result. Throws: WrongProgram, or an exception of the JSON library.
ExportedArgument ArgumentOf(const nlohmann::json& json);

// Reads a graph. Throws: WrongProgram, or an exception of the JSON library.
ExportedGraph GraphOf(const nlohmann::json& json);

}  // namespace tensorferry::inference
