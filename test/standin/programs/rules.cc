#include <sys/wait.h>
#include <unistd.h>

#include "rules.h"

// rules <library> <cuda|hip> [name] breaks each rule, or the one of that name, in a process of its own, and prints a line of JSON a
// rule: what it is, the code it expects, and what the driver answered.
namespace {

std::vector<bench::Rule> every_rule() {
  std::vector<bench::Rule> all;
  for (const auto& rules : {bench::device_rules(), bench::memory_rules(), bench::stream_rules(), bench::capture_rules(), bench::kernel_rules()}) {
    all.insert(all.end(), rules.begin(), rules.end());
  }
  return all;
}

// In a process of its own: the answer is the code, or what went wrong on the way.
std::string answer_of(const bench::Rule& rule, const char* library, bool hip) {
  setenv("LOCKSTEP_STANDIN_DEVICES", "2", 0);
  if (rule.setting != nullptr) {
    const std::string setting = rule.setting;
    setenv(setting.substr(0, setting.find('=')).c_str(), setting.substr(setting.find('=') + 1).c_str(), 1);
  }
  try {
    bench::Bench bench(library, hip);
    if (rule.started) bench.start();
    return std::to_string(rule.broken(bench));
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::string apart(const bench::Rule& rule, const char* library, bool hip) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    const std::string answer = answer_of(rule, library, hip);
    const ssize_t written = write(ends[1], answer.data(), answer.size());
    _exit(written < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string answer;
  char piece[512];
  for (ssize_t got; (got = read(ends[0], piece, sizeof(piece))) > 0;) answer.append(piece, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? answer : answer + " and status " + std::to_string(status);
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  for (const auto& rule : every_rule()) {
    if (count == 4 && rule.name != std::string(words[3])) continue;
    const std::string answer = apart(rule, words[1], std::string(words[2]) == "hip");
    std::printf("{\"name\":\"%s\",\"source\":\"%s\",\"code\":\"%d\",\"answer\":\"%s\"}\n", rule.name, rule.source, rule.code,
                answer.c_str());
  }
  return 0;
}
