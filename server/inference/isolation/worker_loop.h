#pragma once

namespace tensorferry::inference {

// Serves one model to the process that has started this one, until that ends: the main function of a worker. It loads
// the model when it is told to, and runs it, one request at a time.
// Precondition: PrepareTorch was called. Call it on the main thread, once.
void RunWorker();

}  // namespace tensorferry::inference
