#include <algorithm>

#include "mpi/mpi-process.h"
#include "objects.h"

namespace lockstep {

namespace {

// Messages are short; what is longer belongs to something else.
constexpr int max_words = 1 << 20;

int bounded(Napi::Value value, const char* name, int64_t low, int64_t high, const char* expected) {
  const int64_t number = integer_argument(value, name);
  if (number < low || number > high) invalid_argument(name, value, expected);
  return static_cast<int>(number);
}

int peer_argument(Napi::Value value) {
  return bounded(value, "peer", 0, MpiProcess::here().size() - 1, "a rank of this job");
}

int spins_argument(Napi::Value value) {
  return bounded(value, "spins", 0, 1 << 20, "looks before the thread yields, 0 or more");
}

// 32767 is the least upper bound of tags that MPI grants.
int tag_argument(Napi::Value value) { return bounded(value, "tag", 0, 32767, "a tag, 0 to 32767"); }

int group_argument(Napi::Value value) { return bounded(value, "group", 0, INT32_MAX, "a number that openGroup gave"); }

struct Words {
  int32_t* address;
  // At most `max_words`.
  int count;
  size_t length;
};

Words words_argument(Napi::Value value) {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* address = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &address, nullptr, nullptr) != napi_ok || type != napi_int32_array) {
    invalid_argument("words", value, "an Int32Array");
  }
  return {static_cast<int32_t*>(address), static_cast<int>(std::min<size_t>(length, max_words)), length};
}

// load(name): an object with the library's version, or the reason why it does not serve.
napi_value load(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    if (!info[0].IsString()) invalid_argument("name", info[0], "the name of a library");
    const std::string reason = MpiProcess::here().load(info[0].As<Napi::String>().Utf8Value());
    if (!reason.empty()) return Napi::String::New(env, reason);
    Napi::Object found = Napi::Object::New(env);
    found.Set("version", MpiProcess::here().version());
    return found;
  });
}

// start(host): rank and size, once MPI runs, whether this call started it, and whether its processes share memory.
napi_value start(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    MpiProcess& process = MpiProcess::here();
    const bool first = process.start(bounded(info[0], "host", INT32_MIN, INT32_MAX, "a 32-bit number"));
    Napi::Object world = Napi::Object::New(env);
    world.Set("first", first);
    world.Set("rank", process.rank());
    world.Set("size", process.size());
    world.Set("sharesMemory", process.shares_memory());
    return world;
  });
}

// allgather(words, rounds)
napi_value allgather(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const int words = bounded(info[0], "words", 1, max_words, "words of a row, 1 or more");
    MpiProcess::here().allgather(words, bounded(info[1], "rounds", 0, 1 << 20, "all-gathers, 0 or more"));
    return nullptr;
  });
}

napi_value next_group(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value { return Napi::Number::New(env, MpiProcess::here().next_group()); });
}

// send(peer, tag, words, count)
napi_value send(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const int peer = peer_argument(info[0]);
    const int tag = tag_argument(info[1]);
    const Words words = words_argument(info[2]);
    const int count = bounded(info[3], "count", 1, words.count, "how many of the words to send");
    MpiProcess::here().send(peer, tag, words.address, count);
    return nullptr;
  });
}

// publish(group): whether all other ranks see its row now.
napi_value publish(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    return Napi::Boolean::New(env, MpiProcess::here().publish(group_argument(info[0])));
  });
}

// A reference to these words that is never given back: they stay where they are until the JS thread that opened the group ends. Calls of that thread
// alone read and write them.
void keep(Napi::Value words) {
  napi_ref kept;
  if (napi_create_reference(words.Env(), words, 1, &kept) != napi_ok) throw Napi::Error::New(words.Env());
}

// openGroup(tag, capacity, board, rowWords, row, incoming): its number. Without a board null is given, and nothing after it.
napi_value open_group(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const int tag = tag_argument(info[0]);
    const int capacity = bounded(info[1], "capacity", 1, max_words, "words of the longest message, 1 or more");
    MpiBoard board = {};
    if (!info[2].IsNull()) {
      const Words words = words_argument(info[2]);
      const int64_t size = MpiProcess::here().size();
      const int row_words = bounded(info[3], "rowWords", 1, max_words, "words of a row, 1 or more");
      if (static_cast<int64_t>(words.length) < 1 + size + 2 * size * row_words) invalid_argument("board", info[2], "room for two tables");
      // A row's message is its kind, its sequence and the row.
      if (capacity < row_words + 2) invalid_argument("capacity", info[1], "2 words more than a row has, or more");
      const Words row = words_argument(info[4]);
      if (row.count < row_words + 2) invalid_argument("row", info[4], "room for the message of a row");
      const Words incoming = words_argument(info[5]);
      if (incoming.count < capacity) invalid_argument("incoming", info[5], "room for the longest message");
      board = {words.address, row_words, row.address, incoming.address};
      for (int kept : {2, 4, 5}) keep(info[kept]);
    }
    return Napi::Number::New(env, MpiProcess::here().open_group(tag, capacity, board));
  });
}

// closeGroup(group)
napi_value close_group(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    MpiProcess::here().close_group(group_argument(info[0]));
    return nullptr;
  });
}

// receive(group, words, ms, spins): the rank that a message came from, -1 without one, -2 where rows came.
napi_value receive(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const int group = group_argument(info[0]);
    const Words words = words_argument(info[1]);
    const double ms = wait_argument(info[2]);
    const int spins = spins_argument(info[3]);
    return Napi::Number::New(env, MpiProcess::here().receive(group, words.address, words.count, ms, spins).peer);
  });
}

// gather(group, ms, spins): as receive(); -3 - rank where nothing was sent, for a message of that rank had come.
napi_value gather(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    // Called once a step.
    napi_value given[3] = {};
    size_t found = 3;
    napi_get_cb_info(env, raw, &found, given, nullptr, nullptr);
    const int group = group_argument(Napi::Value(env, given[0]));
    const double ms = wait_argument(Napi::Value(env, given[1]));
    const MpiArrival arrival = MpiProcess::here().gather(group, ms, spins_argument(Napi::Value(env, given[2])));
    return Napi::Number::New(env, arrival.unsent ? -3 - arrival.peer : arrival.peer);
  });
}

// Resolves a promise with whether a message has come; runs on Node's thread pool.
class MessageWait final : public Napi::AsyncWorker {
 public:
  MessageWait(Napi::Env env, int group, double ms)
      : AsyncWorker(env, "lockstep:mpi"), deferred_(env), group_(group), ms_(ms), pokes_(MpiProcess::here().pokes()) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      found_ = MpiProcess::here().wait(group_, ms_, pokes_);
    } catch (const DeviceError&) {
      // The receive that follows throws it, on the JS thread.
      found_ = true;
    }
  }
  void OnOK() override { deferred_.Resolve(Napi::Boolean::New(Env(), found_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const int group_;
  const double ms_;
  const uint32_t pokes_;
  bool found_ = false;
};

// waitAsync(group, ms): whether a message has come, on a thread of its own.
napi_value wait_async(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const int group = group_argument(info[0]);
    auto* const work = new MessageWait(env, group, wait_argument(info[1]));
    const Napi::Promise promise = work->promise();
    work->Queue();
    return promise;
  });
}

napi_value poke(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    MpiProcess::here().poke();
    return nullptr;
  });
}

napi_value peer_ended(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    return Napi::Boolean::New(env, MpiProcess::here().peer_ended(peer_argument(info[0])));
  });
}

napi_value abort(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    MpiProcess::here().abort(bounded(info[0], "code", 1, 255, "an exit code, 1 to 255"));
    return nullptr;
  });
}

napi_value finalize(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    MpiProcess::here().finalize();
    return nullptr;
  });
}

}  // namespace

Napi::Object mpi_functions(Napi::Env env) {
  Napi::Object mpi = Napi::Object::New(env);
  const std::pair<const char*, napi_callback> functions[] = {
      {"load", load},          {"start", start}, {"allgather", allgather},   {"nextGroup", next_group},  {"send", send},   {"openGroup", open_group},
      {"closeGroup", close_group}, {"receive", receive}, {"publish", publish}, {"gather", gather},
      {"waitAsync", wait_async}, {"poke", poke},   {"peerEnded", peer_ended}, {"abort", abort}, {"finalize", finalize},
  };
  for (const auto& [name, callback] : functions) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) != napi_ok) throw Napi::Error::New(env);
    mpi.Set(name, Napi::Value(env, function));
  }
  return mpi;
}

}  // namespace lockstep
