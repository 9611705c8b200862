#pragma once

#include <string>
#include <string_view>

namespace standin {

// What a module was loaded from: the piece of the image that the pretended GPU would run.
struct Image {
  // 0, or the driver's code for what is wrong, with its words.
  int code = 0;
  std::string text;
  // The bytes of the code object; empty where they are compressed, and names cannot be looked up.
  std::string bytes;
};

// Of a fatbin (CUDA), or of a code object or a bundle of them (HIP). The length is read from the image itself.
Image read_image(const void* image);

// Whether the code has an entry point of that name; true where its bytes are compressed.
bool has_entry(const Image& image, const std::string& name);

}  // namespace standin
