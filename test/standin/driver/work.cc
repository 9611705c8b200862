#include "work.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>

#include "entry.h"

namespace standin {

namespace {

void begin_launch(Item& item) {
  const auto& nodes = item.executable->graph->nodes;
  item.begun = true;
  item.left = nodes.size();
  item.missing.resize(nodes.size());
  for (size_t i = 0; i < nodes.size(); i++) {
    item.missing[i] = nodes[i].after.size();
    if (nodes[i].after.empty()) item.free.push_back(i);
  }
}

bool ready(const Action& action) { return !action.ready || action.ready(); }

bool runnable(Stream& stream) {
  if (stream.items.empty() || world().devices[static_cast<size_t>(stream.device)].fault != 0) return false;
  Item& head = stream.items.front();
  if (head.wait) return head.wait->reached;
  if (head.reach) return true;
  if (!head.executable) return ready(head.action);
  if (head.executable->launches.front() != head.launch) return false;
  if (!head.begun) begin_launch(head);
  if (head.left == 0) return true;
  for (const size_t node : head.free) {
    if (ready(head.executable->graph->nodes[node].action)) return true;
  }
  return false;
}

void run_action(const Action& action) {
  if (const int code = injected_work(); code != 0) throw Fault{code, "injected into " + action.name};
  try {
    action.run();
  } catch (const Fault& fault) {
    throw Fault{fault.code, action.name + ": " + fault.text};
  }
}

// One node of the launch at the head, whose predecessors have run; true when that was the last.
bool step_launch(Item& head) {
  const auto& nodes = head.executable->graph->nodes;
  if (head.left > 0) {
    std::vector<size_t> able;
    for (size_t i = 0; i < head.free.size(); i++) {
      if (ready(nodes[head.free[i]].action)) able.push_back(i);
    }
    if (able.empty()) return false;
    const size_t at = able[world().draw(able.size())], node = head.free[at];
    head.free.erase(head.free.begin() + static_cast<ptrdiff_t>(at));
    run_action(nodes[node].action);
    head.left--;
    for (size_t i = 0; i < nodes.size(); i++) {
      for (const size_t before : nodes[i].after) {
        if (before == node && --head.missing[i] == 0) head.free.push_back(i);
      }
    }
  }
  if (head.left > 0) return false;
  head.executable->launches.pop_front();
  return true;
}

void step(Stream& stream) {
  Item& head = stream.items.front();
  bool done = true;
  try {
    if (head.reach) {
      head.reach->reached = true;
      head.reach->when = std::chrono::steady_clock::now();
    } else if (head.executable) {
      done = step_launch(head);
    } else if (!head.wait) {
      run_action(head.action);
    }
  } catch (const Fault& fault) {
    kill_device(stream.device, fault.code, fault.text);
    return;
  }
  if (done) stream.items.pop_front();
}

Stream* draw_runnable() {
  std::vector<Stream*> able;
  for (const auto& [handle, stream] : world().streams) {
    if (runnable(*stream)) able.push_back(stream.get());
  }
  auto& orphans = world().orphans;
  for (size_t i = orphans.size(); i-- > 0;) {
    if (orphans[i]->items.empty()) orphans.erase(orphans.begin() + static_cast<ptrdiff_t>(i));
    else if (runnable(*orphans[i])) able.push_back(orphans[i].get());
  }
  return able.empty() ? nullptr : able[world().draw(able.size())];
}

std::atomic<bool> stopping{false};
std::thread* worker = nullptr;

void work_until_stopped() {
  sigset_t every;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, nullptr);
  while (!stopping) {
    size_t pause = 0;
    {
      std::lock_guard<std::mutex> lock(world().mutex);
      pump(1 + world().draw(8));
      pause = world().draw(100);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(pause));
  }
}

}  // namespace

void enqueue(Stream& stream, Item item) { stream.items.push_back(std::move(item)); }

void pump(size_t most) {
  for (size_t i = 0; i < most; i++) {
    Stream* const stream = draw_runnable();
    if (stream == nullptr) return;
    step(*stream);
  }
}

size_t pending() {
  size_t count = 0;
  for (const auto& [handle, stream] : world().streams) count += stream->items.size();
  for (const auto& stream : world().orphans) count += stream->items.size();
  return count;
}

bool in_flight(const Executable& executable) { return !executable.launches.empty(); }

bool pumped_by_thread() {
  static const bool by_thread = setting("LOCKSTEP_STANDIN_PUMP") == "thread";
  return by_thread;
}

void start_worker() {
  if (pumped_by_thread() && worker == nullptr) worker = new std::thread(work_until_stopped);
}

void stop_worker() {
  stopping = true;
  if (worker == nullptr) return;
  worker->join();
  worker = nullptr;
}

}  // namespace standin
