#pragma once

#include <cstddef>
#include <cstdint>

// What the driver's stand-in offers that of NCCL, beside the vendor's functions: pieces of work that depend on other ranks.
extern "C" {

// Asked with `run` 0, says whether the piece can be done now (1) or not yet (0); with `run` 1 does it, and gives a code of the
// driver. Called with the driver's lock held, on whatever thread looks after the stream.
typedef int (*standin_step)(void* state, int run);

// Puts a piece at a stream's end, or as a node into the capture it takes part in. `release` is called once nothing can run the piece any
// more: after it has run, or when its last graph goes.
typedef int (*standin_enqueue)(void* stream, const char* name, standin_step step, void (*release)(void* state), void* state);

// Where a piece finds device memory; null where it does not lie in one live allocation of the device. In a step only.
typedef void* (*standin_resolve)(int device, uint64_t address, size_t bytes);

// The same, asked outside of a step.
typedef int (*standin_resolves)(int device, uint64_t address, size_t bytes);

// The calling thread's device, or -1.
typedef int (*standin_current)();

// Lets queued work go on for a while, as a GPU would by itself.
typedef void (*standin_pump)();
}
