#include "rules.h"

// rules <library> <cuda|hip> lists the rules, a JSON array; with a rule's name it breaks that rule, and prints the code that the driver gave.
namespace {

std::vector<bench::Rule> every_rule() {
  std::vector<bench::Rule> all;
  for (const auto& rules : {bench::device_rules(), bench::memory_rules(), bench::stream_rules(), bench::capture_rules(), bench::kernel_rules()}) {
    all.insert(all.end(), rules.begin(), rules.end());
  }
  return all;
}

int list() {
  std::string text;
  for (const auto& rule : every_rule()) {
    text += (text.empty() ? "[" : ",") + std::string("{\"name\":\"") + rule.name + "\",\"source\":\"" + rule.source +
            "\",\"code\":" + std::to_string(rule.code) + "}";
  }
  std::printf("%s]\n", text.c_str());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  if (count == 3) return list();
  for (const auto& rule : every_rule()) {
    if (rule.name != std::string(words[3])) continue;
    setenv("LOCKSTEP_STANDIN_DEVICES", "2", 0);
    if (rule.setting != nullptr) {
      const std::string setting = rule.setting;
      setenv(setting.substr(0, setting.find('=')).c_str(), setting.substr(setting.find('=') + 1).c_str(), 1);
    }
    try {
      bench::Bench bench(words[1], std::string(words[2]) == "hip");
      if (rule.started) bench.start();
      std::printf("%d\n", rule.broken(bench));
      return 0;
    } catch (const std::exception& error) {
      std::printf("%s\n", error.what());
      return 1;
    }
  }
  return 2;
}
