#pragma once
// Included before every unit of the engine: stdout is the application's. What the engine would print there, it also tells its callbacks.
#include <cstdio>
#define printf(...) static_cast<void>(0)
