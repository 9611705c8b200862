#include "rules.h"

namespace bench {

namespace {

void begin(Bench& b, void* stream, int mode = c::capture_thread_local) { succeed(b.d.capture_begin(stream, mode), "capture_begin"); }

int end(Bench& b, void* stream) {
  void* graph = nullptr;
  return b.d.capture_end(stream, &graph);
}

void fork(Bench& b, void* from, void* to) { succeed(b.d.stream_wait(to, b.recorded(from), 0), "stream_wait"); }

// What a call answers to a thread whose capture goes on; the capture is then of no use either.
int in_capture(Bench& b, const std::function<int()>& call) {
  void* const stream = b.stream();
  begin(b, stream);
  const int code = call();
  check(end(b, stream) == c::error_capture_invalidated, "the capture was not invalidated");
  return code;
}

Rule forbidden(const char* name, const char* source, std::function<std::function<int()>(Bench&)> prepare) {
  return {name, source, c::error_capture_unsupported, [prepare](Bench& b) { return in_capture(b, prepare(b)); }};
}

}  // namespace

std::vector<Rule> stream_rules() {
  return {
      {"a stream that waits for the legacy stream", "stricter: every stream is non-blocking", c::error_invalid_value,
       [](Bench& b) {
         void* stream = nullptr;
         return b.d.stream_create(&stream, 0, 0);
       }},
      {"the legacy stream", "stricter: every stream is non-blocking", c::error_invalid_handle,
       [](Bench& b) { return b.d.fill_words(b.memory(64), 0, 1, nullptr); }},
      {"a stream that was destroyed", "cuStreamDestroy", c::error_invalid_handle,
       [](Bench& b) {
         void* const stream = b.stream();
         succeed(b.d.stream_destroy(stream), "stream_destroy");
         return b.d.stream_destroy(stream);
       }},
      {"a stream of another device", "cuEventRecord", c::error_invalid_handle,
       [](Bench& b) {
         void* const stream = b.stream();
         b.use(1);
         return b.d.event_record(b.event(), stream);
       }},
      {"an event of another device", "cuEventRecord", c::error_invalid_handle,
       [](Bench& b) {
         void* const event = b.event();
         b.use(1);
         return b.d.event_record(event, b.stream());
       }},
      {"an event that was destroyed", "cuEventDestroy", c::error_invalid_handle,
       [](Bench& b) {
         void* const event = b.event();
         succeed(b.d.event_destroy(event), "event_destroy");
         return b.d.event_query(event);
       }},
      {"flags of a wait", "cuStreamWaitEvent", c::error_invalid_value, [](Bench& b) { return b.d.stream_wait(b.stream(), b.event(), 2); }},
      {"the time of an event that keeps none", "cuEventElapsedTime", c::error_invalid_handle,
       [](Bench& b) {
         void* const stream = b.stream();
         void* const event = b.recorded(stream);
         b.wait(stream);
         float ms = 0;
         return b.d.event_elapsed(&ms, event, event);
       }},
      {"the time of an event that is not reached", "cuEventElapsedTime", c::error_not_ready,
       [](Bench& b) {
         void* const event = b.event(0);
         succeed(b.d.event_record(event, b.stream()), "event_record");
         float ms = 0;
         return b.d.event_elapsed(&ms, event, event);
       }},
  };
}

std::vector<Rule> capture_rules() {
  std::vector<Rule> all = {
      {"a capture of a stream that captures", "cuStreamBeginCapture", c::error_illegal_state,
       [](Bench& b) {
         void* const stream = b.stream();
         begin(b, stream);
         return b.d.capture_begin(stream, c::capture_thread_local);
       }},
      {"the end of no capture", "cuStreamEndCapture", c::error_illegal_state, [](Bench& b) { return end(b, b.stream()); }},
      {"an end on another thread", "cuStreamEndCapture", c::error_capture_wrong_thread,
       [](Bench& b) {
         void* const stream = b.stream();
         begin(b, stream);
         return on_thread([&] {
           b.use(0);
           return end(b, stream);
         });
       }},
      {"an end on a forked stream", "cuStreamEndCapture", c::error_capture_unmatched,
       [](Bench& b) {
         void *const origin = b.stream(), *const forked = b.stream();
         begin(b, origin);
         fork(b, origin, forked);
         return end(b, forked);
       }},
      {"a forked stream that is not joined", "cuStreamEndCapture", c::error_capture_unjoined,
       [](Bench& b) {
         void *const origin = b.stream(), *const forked = b.stream();
         begin(b, origin);
         fork(b, origin, forked);
         return end(b, origin);
       }},
      {"work of a forked stream after its join", "cuStreamEndCapture", c::error_capture_unjoined,
       [](Bench& b) {
         void *const origin = b.stream(), *const forked = b.stream();
         const uint64_t memory = b.memory(64);
         begin(b, origin);
         fork(b, origin, forked);
         fork(b, forked, origin);
         succeed(b.d.fill_words(memory, 0, 1, forked), "fill_words");
         return end(b, origin);
       }},
      {"a capture that waits for work outside", "cuStreamWaitEvent", c::error_capture_isolation,
       [](Bench& b) {
         void* const stream = b.stream();
         void* const event = b.recorded(b.stream());
         begin(b, stream);
         return b.d.stream_wait(stream, event, 0);
       }},
      {"two captures that meet", "cuStreamWaitEvent", c::error_capture_merge,
       [](Bench& b) {
         void *const one = b.stream(), *const other = b.stream();
         begin(b, one);
         begin(b, other);
         return b.d.stream_wait(other, b.recorded(one), 0);
       }},
      {"a query of an event recorded in a capture", "cuEventQuery", c::error_captured_event,
       [](Bench& b) {
         void* const stream = b.stream();
         begin(b, stream);
         void* const event = b.recorded(stream);
         succeed(end(b, stream), "capture_end");
         return b.d.event_query(event);
       }},
      {"a wait for an event of a capture that has ended", "cuStreamWaitEvent", c::error_captured_event,
       [](Bench& b) {
         void* const stream = b.stream();
         begin(b, stream);
         void* const event = b.recorded(stream);
         succeed(end(b, stream), "capture_end");
         return b.d.stream_wait(stream, event, 0);
       }},
      {"a graph launched into a capture", "stricter: no graphs in graphs", c::error_capture_unsupported,
       [](Bench& b) {
         void* const stream = b.stream();
         begin(b, stream);
         void* const executable = b.executable(b.graph(stream));
         begin(b, stream);
         return b.d.graph_launch(executable, stream);
       }},
      {"an allocation of another thread under a global capture", "cuThreadExchangeStreamCaptureMode", c::error_capture_unsupported,
       [](Bench& b) {
         begin(b, b.stream(), c::capture_global);
         return on_thread([&] {
           b.use(0);
           uint64_t memory = 0;
           return b.d.memory_allocate(&memory, 64);
         });
       }},
      {"a graph destroyed while it runs", "stricter: cuGraphExecDestroy waits for nothing", c::error_invalid_value,
       [](Bench& b) {
         void* const stream = b.stream();
         begin(b, stream);
         void* const executable = b.executable(b.graph(stream));
         succeed(b.d.graph_launch(executable, stream), "graph_launch");
         return b.d.executable_destroy(executable);
       }},
      {"host memory of a graph unregistered before a replay", "stricter: a replay reads the host address again", c::error_illegal_address,
       [](Bench& b) {
         void* const stream = b.stream();
         auto* const host = b.pinned<char>(64);
         const uint64_t memory = b.memory(64);
         begin(b, stream);
         succeed(b.d.copy_to_device(memory, host, 64, stream), "copy_to_device");
         void* const executable = b.executable(b.graph(stream));
         succeed(b.d.host_free(host), "host_free");
         succeed(b.d.graph_launch(executable, stream), "graph_launch");
         return outcome(b, b.recorded(stream));
       }},
  };
  const std::vector<Rule> unsafe = {
      forbidden("an allocation in a capture", "cuMemAlloc",
                [](Bench& b) {
                  return [&b] {
                    uint64_t memory = 0;
                    return b.d.memory_allocate(&memory, 64);
                  };
                }),
      forbidden("a free in a capture", "cuMemFree",
                [](Bench& b) { return [&b, memory = b.memory(64)] { return b.d.memory_free(memory); }; }),
      forbidden("host memory made in a capture", "cuMemHostAlloc",
                [](Bench& b) {
                  return [&b] {
                    void* host = nullptr;
                    return b.d.host_allocate(&host, 64, 0);
                  };
                }),
      forbidden("a registration in a capture", "cuMemHostRegister",
                [](Bench& b) { return [&b] { return b.d.host_register(std::aligned_alloc(4096, 4096), 4096, 0); }; }),
      forbidden("a query in a capture", "cuEventQuery",
                [](Bench& b) { return [&b, event = b.event()] { return b.d.event_query(event); }; }),
      forbidden("a graph instantiated in a capture", "stricter: it takes memory",
                [](Bench& b) {
                  void* const stream = b.stream();
                  begin(b, stream);
                  return [&b, graph = b.graph(stream)] {
                    void* executable = nullptr;
                    return b.d.graph_instantiate(&executable, graph, 0);
                  };
                }),
      forbidden("a stream destroyed in a capture", "stricter: nothing goes in a capture",
                [](Bench& b) { return [&b, stream = b.stream()] { return b.d.stream_destroy(stream); }; }),
  };
  all.insert(all.end(), unsafe.begin(), unsafe.end());
  return all;
}

}  // namespace bench
