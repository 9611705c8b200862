#include <algorithm>

#include "capture.h"
#include "entry.h"
#include "work.h"

namespace standin {

namespace {

constexpr const char* no_event = "this is no event of the current device";

}  // namespace

std::shared_ptr<Stream> stream_of(void* handle) {
  const std::shared_ptr<Stream> stream = find(world().streams, handle);
  return stream != nullptr && stream->device == current().device ? stream : nullptr;
}

int stream_create(void** stream, unsigned flags, int priority) {
  ENTER(stream_create, device);
  (void)priority;
  if (flags != constant::stream_non_blocking) {
    return refuse(constant::error_invalid_value, "a stream without stream_non_blocking waits for the legacy stream");
  }
  auto made = std::make_shared<Stream>();
  made->device = current().device;
  *stream = world().handle();
  world().streams[*stream] = std::move(made);
  return 0;
}

int stream_destroy(void* handle) {
  ENTER(stream_destroy, device_outside_captures);
  const std::shared_ptr<Stream> stream = stream_of(handle);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (stream->capture != nullptr) {
    stream->capture->invalid = true;
    return refuse(constant::error_capture_unsupported, "the stream captures");
  }
  if (!stream->items.empty()) world().orphans.push_back(stream);
  world().streams.erase(handle);
  return 0;
}

int stream_wait(void* to, void* of, unsigned flags) {
  ENTER(stream_wait, device);
  const std::shared_ptr<Stream> stream = stream_of(to);
  const std::shared_ptr<Event> event = find(world().events, of);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (event == nullptr) return refuse(constant::error_invalid_handle, "this is no event");
  if (flags != 0) return refuse(constant::error_invalid_value, "flags must be 0");
  if (event->capture != nullptr || stream->capture != nullptr) return wait_in_capture(*stream, *event);
  if (event->point == nullptr || event->point->reached) return 0;
  Item item;
  item.wait = event->point;
  enqueue(*stream, std::move(item));
  return 0;
}

int event_create(void** event, unsigned flags) {
  ENTER(event_create, device);
  if ((flags & ~unsigned{constant::event_blocking_sync | constant::event_disable_timing}) != 0) {
    return refuse(constant::error_invalid_value, "these flags are not ones that are used");
  }
  auto made = std::make_shared<Event>();
  made->device = current().device;
  made->flags = flags;
  *event = world().handle();
  world().events[*event] = std::move(made);
  return 0;
}

int event_destroy(void* handle) {
  ENTER(event_destroy, device);
  if (find(world().events, handle) == nullptr) return refuse(constant::error_invalid_handle, "this is no event");
  world().events.erase(handle);
  return 0;
}

int event_record(void* handle, void* on) {
  ENTER(event_record, device);
  const std::shared_ptr<Event> event = find(world().events, handle);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (event == nullptr || event->device != current().device) return refuse(constant::error_invalid_handle, no_event);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (stream->capture != nullptr) return record_in_capture(*event, *stream);
  event->capture = nullptr;
  event->point = std::make_shared<Point>();
  Item item;
  item.reach = event->point;
  enqueue(*stream, std::move(item));
  return 0;
}

int event_query(void* handle) {
  ENTER(event_query, device_outside_captures);
  const std::shared_ptr<Event> event = find(world().events, handle);
  if (event == nullptr) return refuse(constant::error_invalid_handle, "this is no event");
  if (event->capture != nullptr) {
    event->capture->invalid = true;
    return refuse(constant::error_captured_event, "the event was last recorded in a capture");
  }
  if (!pumped_by_thread()) pump(world().draw(16));
  if (const int fault = world().devices[static_cast<size_t>(event->device)].fault; fault != 0) return fault;
  return event->point == nullptr || event->point->reached ? constant::success : constant::error_not_ready;
}

int event_elapsed(float* ms, void* begin, void* end) {
  ENTER(event_elapsed, device_outside_captures);
  const std::shared_ptr<Event> first = find(world().events, begin), second = find(world().events, end);
  if (first == nullptr || second == nullptr) return refuse(constant::error_invalid_handle, "this is no event");
  for (const auto& event : {first, second}) {
    if ((event->flags & constant::event_disable_timing) != 0) return refuse(constant::error_invalid_handle, "the event keeps no time");
    if (event->point == nullptr) return refuse(constant::error_invalid_handle, "the event was never recorded");
    if (!event->point->reached) return constant::error_not_ready;
  }
  *ms = std::chrono::duration<float, std::milli>(second->point->when - first->point->when).count();
  return 0;
}

}  // namespace standin
