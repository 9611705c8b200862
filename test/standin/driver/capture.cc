#include "capture.h"

#include <algorithm>

#include "entry.h"
#include "work.h"

namespace standin {

namespace {

void leave(Capture& capture) {
  for (Stream* const stream : capture.streams) {
    stream->capture = nullptr;
    stream->last.clear();
    stream->seen.clear();
  }
  auto& all = world().captures;
  all.erase(std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.get() == &capture; }));
}

void merge(std::vector<size_t>& into, const std::vector<size_t>& from) {
  for (const size_t node : from) {
    if (std::find(into.begin(), into.end(), node) == into.end()) into.push_back(node);
  }
}

int refuse_invalid(const Capture& capture) {
  return capture.invalid ? refuse(constant::error_capture_invalidated, "the capture was invalidated by an earlier call") : 0;
}

}  // namespace

int submit(Stream& stream, Action action) {
  if (stream.capture == nullptr) {
    Item item;
    item.action = std::move(action);
    enqueue(stream, std::move(item));
    return 0;
  }
  Capture& capture = *stream.capture;
  if (const int code = refuse_invalid(capture); code != 0) return code;
  Node node;
  node.action = std::move(action);
  node.after = stream.last;
  node.handle = world().handle();
  stream.last = {capture.graph->nodes.size()};
  capture.graph->nodes.push_back(std::move(node));
  stream.seen[&stream]++;
  return 0;
}

int record_in_capture(Event& event, Stream& stream) {
  if (const int code = refuse_invalid(*stream.capture); code != 0) return code;
  event.capture = stream.capture;
  event.point = nullptr;
  event.last = stream.last;
  event.seen = stream.seen;
  return 0;
}

int wait_in_capture(Stream& stream, const Event& event) {
  if (event.capture == nullptr) {
    if (event.point == nullptr) return 0;
    stream.capture->invalid = true;
    return refuse(constant::error_capture_isolation, "the event was recorded outside the capture that the stream takes part in");
  }
  Capture& capture = *event.capture;
  const auto& all = world().captures;
  if (std::find(all.begin(), all.end(), event.capture) == all.end()) {
    return refuse(constant::error_captured_event, "the capture that the event was recorded in has ended");
  }
  if (const int code = refuse_invalid(capture); code != 0) return code;
  if (stream.capture == nullptr) {
    stream.capture = event.capture;
    capture.streams.push_back(&stream);
    stream.last = event.last;
    stream.seen = event.seen;
    // It has to be joined even if it does nothing.
    stream.seen[&stream] = 1;
    return 0;
  }
  if (stream.capture != event.capture) {
    stream.capture->invalid = capture.invalid = true;
    return refuse(constant::error_capture_merge, "the event belongs to another capture");
  }
  merge(stream.last, event.last);
  for (const auto& [other, tick] : event.seen) stream.seen[other] = std::max(stream.seen[other], tick);
  return 0;
}

int capture_begin(void* handle, int mode) {
  ENTER(capture_begin, device);
  const std::shared_ptr<Stream> stream = stream_of(handle);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (mode < constant::capture_global || mode > constant::capture_relaxed) return refuse(constant::error_invalid_value, "no such mode");
  if (stream->capture != nullptr) return refuse(constant::error_illegal_state, "the stream captures already");
  auto capture = std::make_shared<Capture>();
  capture->id = ++world().next_id;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream.get();
  capture->graph = std::make_shared<Graph>();
  capture->graph->device = stream->device;
  capture->streams = {stream.get()};
  stream->capture = capture;
  world().captures.push_back(std::move(capture));
  return 0;
}

int capture_end(void* handle, void** graph) {
  ENTER(capture_end, device);
  const std::shared_ptr<Stream> stream = stream_of(handle);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture == nullptr) return refuse(constant::error_illegal_state, "the stream does not capture");
  if (graph == nullptr) return refuse(constant::error_invalid_value, "there is no place for the graph");
  *graph = nullptr;
  if (capture->origin != stream.get()) {
    capture->invalid = true;
    return refuse(constant::error_capture_unmatched, "the capture was begun on another stream");
  }
  if (capture->mode != constant::capture_relaxed && capture->thread != std::this_thread::get_id()) {
    return refuse(constant::error_capture_wrong_thread, "the capture was begun on another thread");
  }
  int code = refuse_invalid(*capture);
  for (Stream* const other : capture->streams) {
    if (code != 0 || other == stream.get() || stream->seen[other] == other->seen[other]) continue;
    code = refuse(constant::error_capture_unjoined, "work of a forked stream was not joined");
  }
  leave(*capture);
  if (code != 0) return code;
  *graph = world().handle();
  world().graphs[*graph] = capture->graph;
  return 0;
}

int capture_info(void* handle, int* status, unsigned long long* id, void** graph, void* const** last, size_t* count) {
  ENTER(capture_info, device);
  const std::shared_ptr<Stream> stream = stream_of(handle);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (status == nullptr) return refuse(constant::error_invalid_value, "there is no place for the status");
  const Capture* const capture = stream->capture.get();
  *status = capture == nullptr ? constant::capture_none : capture->invalid ? constant::capture_invalidated : constant::capture_active;
  if (capture == nullptr || capture->invalid) return 0;
  stream->last_handles.clear();
  for (const size_t node : stream->last) stream->last_handles.push_back(capture->graph->nodes[node].handle);
  if (id != nullptr) *id = capture->id;
  // The graph is the capture's own and not yet in the list of those that can be used.
  if (graph != nullptr) *graph = nullptr;
  if (last != nullptr) *last = stream->last_handles.data();
  if (count != nullptr) *count = stream->last_handles.size();
  return 0;
}

int capture_mode(int* mode) {
  ENTER(capture_mode, start);
  if (*mode < constant::capture_global || *mode > constant::capture_relaxed) return refuse(constant::error_invalid_value, "no such mode");
  std::swap(*mode, current().capture_mode);
  return 0;
}

}  // namespace standin
