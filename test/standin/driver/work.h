#pragma once

#include "world.h"

namespace standin {

// Puts an item at a stream's end.
void enqueue(Stream& stream, Item item);

// Runs up to `most` items or nodes, each drawn among the streams and nodes that can go on. Work runs nowhere else.
void pump(size_t most);

// Items not yet done, over all streams.
size_t pending();

// Whether work of an executable is left in any stream.
bool in_flight(const Executable& executable);

// With LOCKSTEP_STANDIN_PUMP=thread a thread runs the work, at moments of its own, and queries only look.
bool pumped_by_thread();
void start_worker();
void stop_worker();

}  // namespace standin
