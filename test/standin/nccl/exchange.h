#pragma once

#include <cstddef>
#include <string>
#include <vector>

// Where ranks meet: a folder of shared memory that the unique id names, so that threads of one process and processes of one machine
// meet alike. A file is there whole or not at all.
namespace standin {

class Exchange {
 public:
  explicit Exchange(const std::string& id);

  // False if a file of that name is there already.
  bool put(const std::string& name, const std::string& bytes) const;
  bool has(const std::string& name) const;
  std::string get(const std::string& name) const;
  void drop(const std::string& name) const;
  // All of it, the folder too.
  void end() const;

 private:
  std::string folder_;
};

std::string drawn_id();

}  // namespace standin
