#pragma once

#include "world.h"

namespace standin {

// The stream of a handle, if it is one of the thread's device.
std::shared_ptr<Stream> stream_of(void* handle);

constexpr const char* no_stream = "this is no stream of the current device";

// Gives an action to a stream: to its queue, or as a node to the capture it takes part in.
int submit(Stream& stream, Action action);

int record_in_capture(Event& event, Stream& stream);
int wait_in_capture(Stream& stream, const Event& event);

}  // namespace standin
