#pragma once

namespace sdcpp {

// Keeps this library in memory to the end of the process. Node unloads an addon with the last environment that has loaded it, as a worker's
// end; our exit handlers and the engine's thread would then run code that is gone.
void stay_loaded();

}  // namespace sdcpp
