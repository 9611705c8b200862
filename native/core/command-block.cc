#include "command-block.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "capture.h"
#include "graph.h"
#include "pool.h"

namespace lockstep {

namespace {

using Words = uint32_t[CMD_WORDS];

struct Reader {
  Device& device;
  int32_t stream;
  size_t index;
  // The objects used by this command and all before it.
  CommandTarget* targets;

  [[noreturn]] void fail(const char* code, const std::string& mistake, std::vector<Detail> details = {}) const {
    details.emplace_back("command", index);
    throw DeviceError(code, "Command " + std::to_string(index) + ": " + mistake + " Nothing was enqueued.",
                      std::move(details));
  }

  template <typename Object>
  Object& find(const std::unordered_map<int32_t, Object*>& objects, uint32_t id, const char* what) const {
    const auto found = objects.find(static_cast<int32_t>(id));
    if (found != objects.end()) return *found->second;
    fail("ERR_INPUT_INVALID",
         std::string("this device has no ") + what + " " + std::to_string(static_cast<int32_t>(id)) + ".",
         {{what, static_cast<int32_t>(id)}});
  }

  // The arena from `offset` on, for `bytes`.
  std::byte* arena(uint32_t offset, uint64_t bytes, const char* what) const {
    if (offset <= device.arena_bytes && bytes <= device.arena_bytes - offset) return device.arena + offset;
    fail("ERR_LAUNCH_BOUNDS",
         std::string("its ") + what + " ends at byte " + std::to_string(offset + bytes) + " of an arena of " +
             std::to_string(device.arena_bytes) + ".",
         {{"needed", offset + bytes}, {"actual", device.arena_bytes}});
  }

  void require_room(const Buffer& buffer, uint64_t end) const {
    if (end <= buffer.bytes) return;
    fail("ERR_LAUNCH_BOUNDS",
         "it ends at byte " + std::to_string(end) + " of buffer " + std::to_string(buffer.id) + ", which has " +
             std::to_string(buffer.bytes) + ".",
         {{"buffer", buffer.id}, {"needed", end}, {"actual", buffer.bytes}});
  }

  void copy(const Words& words, Operation& operation, bool up) const {
    Buffer& buffer = find(device.buffers, words[CMD_A], "buffer");
    require_room(buffer, uint64_t{words[CMD_B]} + words[CMD_D]);
    operation.kind = up ? Operation::Kind::upload : Operation::Kind::download;
    operation.device = buffer.memory->address + words[CMD_B];
    operation.host = arena(words[CMD_C], words[CMD_D], "bytes");
    operation.bytes = words[CMD_D];
    buffer.uses.add(stream);
  }

  // The edits are copied here, so the checks stay valid: one list in the arena serves both staging sets, and its words may be
  // those of the next step by the time the kernel runs.
  void upload_rows(const Words& words, Operation& operation) const {
    Buffer& buffer = find(device.buffers, words[CMD_A], "buffer");
    const uint32_t count = words[CMD_C];
    const uint64_t pitch = words[CMD_D];
    const std::byte* const edits = arena(words[CMD_B], uint64_t{count} * EDIT_WORDS * 4, "edit list");
    if (pitch < 1 || pitch > INT32_MAX) fail("ERR_INPUT_INVALID", "its pitch is not a number of columns.", {{"pitch", pitch}});
    operation.kind = Operation::Kind::edit_table;
    operation.device = buffer.memory->address;
    operation.host = arena(words[CMD_E], 0, "source table");
    operation.pitch = static_cast<uint32_t>(pitch);
    operation.bytes = 0;
    operation.edits.resize(count);
    if (count > 0) std::memcpy(operation.edits.data(), edits, size_t{count} * sizeof(RowEdit));
    buffer.uses.add(stream);
    // In columns, of which a row and a pitch have less than 2^31 each; a mistake is a number below 0.
    const auto width = static_cast<int64_t>(pitch);
    int64_t mistakes = 0;
    int64_t end = 0;
    int64_t columns = 0;
    for (const RowEdit& edit : operation.edits) {
      mistakes |= int64_t{edit.row} | int64_t{edit.begin} | (int64_t{edit.end} - edit.begin) | (width - edit.end);
      end = std::max(end, edit.row * width + edit.end);
      columns += int64_t{edit.end} - edit.begin;
    }
    if (mistakes < 0) fail_edit(operation, pitch);
    operation.bytes = static_cast<size_t>(columns) * 4;
    require_room(buffer, static_cast<uint64_t>(end) * 4);
    arena(words[CMD_E], static_cast<uint64_t>(end) * 4, "source table");
  }

  [[noreturn]] void fail_edit(const Operation& operation, uint64_t pitch) const {
    size_t i = 0;
    const auto is_good = [&](const RowEdit& edit) {
      return edit.row >= 0 && edit.begin >= 0 && edit.end >= edit.begin && static_cast<uint64_t>(edit.end) <= pitch;
    };
    while (is_good(operation.edits[i])) i++;
    const auto [row, from, to, unused] = operation.edits[i];
    fail("ERR_INPUT_INVALID",
         "edit " + std::to_string(i) + " is columns " + std::to_string(from) + " to " + std::to_string(to) + " of row " +
             std::to_string(row) + " with a pitch of " + std::to_string(pitch) + ".",
         {{"edit", i}, {"row", row}, {"begin", from}, {"end", to}, {"pitch", pitch}});
  }

  void graph(Graph& graph, Operation& operation) const {
    if (graph.pool != nullptr) {
      graph.pool->require_free(stream);
      targets[index].pool = graph.pool.get();
    }
    if (graph.baked.shares()) targets[index].launched = &graph.baked;
    operation.kind = Operation::Kind::graph;
    operation.graph = graph.backend.get();
    graph.uses.add(stream);
  }

  bool recorded_before(const Event& event) const {
    for (size_t i = 0; i < index; i++) {
      if (targets[i].event == &event) return true;
    }
    return false;
  }

  void read(const Words& words, Operation& operation) const {
    switch (static_cast<int32_t>(words[CMD_OP])) {
      case COMMAND_UPLOAD:
        return copy(words, operation, true);
      case COMMAND_DOWNLOAD:
        return copy(words, operation, false);
      case COMMAND_UPLOAD_ROWS:
        return upload_rows(words, operation);
      case COMMAND_GRAPH:
        return graph(find(device.graphs, words[CMD_A], "graph"), operation);
      case COMMAND_RECORD: {
        Event& event = find(device.events, words[CMD_A], "event");
        if (event.capture != nullptr && !event.capture->ended) {
          fail("ERR_DEVICE_CAPTURE", "event " + std::to_string(event.id) + " is part of a capture under way; end that capture first.",
               {{"event", event.id}});
        }
        operation.kind = Operation::Kind::record;
        targets[index].event = &event;
        return;
      }
      case COMMAND_WAIT: {
        Event& event = find(device.events, words[CMD_A], "event");
        // A stream is already past what it recorded itself.
        if (recorded_before(event)) return;
        if (event.capture != nullptr) {
          fail("ERR_DEVICE_CAPTURE", "event " + std::to_string(event.id) + " was last recorded in a capture; record it again outside one.",
               {{"event", event.id}});
        }
        if (event.mark == nullptr) return;
        operation.kind = Operation::Kind::wait;
        operation.mark = event.mark;
        return;
      }
      default:
        fail("ERR_INPUT_INVALID", std::to_string(static_cast<int32_t>(words[CMD_OP])) + " is not an operation.",
             {{"op", static_cast<int32_t>(words[CMD_OP])}});
    }
  }
};

}  // namespace

// Each word is read once, into a local copy: the arena may be shared with a thread that goes on writing.
size_t read_command_block(Device& device, int32_t stream, size_t offset, size_t max_commands,
                          std::vector<Operation>& operations, std::vector<CommandTarget>& targets) {
  const std::byte* const block = device.arena + offset;
  uint32_t count;
  std::memcpy(&count, block, sizeof(count));
  if (count > max_commands) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "The command block says " + std::to_string(count) + " commands; it has room for " +
                          std::to_string(max_commands) + ". Nothing was enqueued.",
                      {{"commands", count}, {"maxCommands", max_commands}});
  }
  if (operations.size() < count) operations.resize(count);
  targets.assign(count, {});
  for (uint32_t i = 0; i < count; i++) {
    operations[i].clear();
    Words words;
    std::memcpy(words, block + COMMAND_HEADER_WORDS * 4 + size_t{i} * sizeof(words), sizeof(words));
    try {
      Reader{device, stream, i, targets.data()}.read(words, operations[i]);
    } catch (...) {
      for (uint32_t j = 0; j <= i; j++) operations[j].clear();
      throw;
    }
  }
  return count;
}

}  // namespace lockstep
