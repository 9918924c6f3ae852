#include "fuzz/fuzz_target.h"

TENSORFERRY_FUZZ_TARGET(PackedBodyMistake)
