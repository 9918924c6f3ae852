#pragma once

namespace tensorferry::inference {

// Has torch use `count` threads for each operator that the calling thread runs from now on, and starts them; or one, if
// the system has not so many: OpenMP ends the process where it gets no thread. Costs nothing while `count` stays the same.
void UseOperatorThreads(int count);

}  // namespace tensorferry::inference
