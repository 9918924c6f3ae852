#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/properties.h"

// TENSORFERRY_FUZZ_TARGET defines the function that libFuzzer calls. It ends the process if a property does not hold.
#define TENSORFERRY_FUZZ_TARGET(property)                                                          \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {              \
    const auto mistake = tensorferry::fuzz::property({reinterpret_cast<const char*>(data), size}); \
    if (mistake.empty()) return 0;                                                                 \
    std::fprintf(stderr, "%.*s\n", static_cast<int>(mistake.size()), mistake.data());              \
    std::abort();                                                                                  \
  }
