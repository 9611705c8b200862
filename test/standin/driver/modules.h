#pragma once

#include <cstddef>

namespace standin {

size_t live_modules();

}  // namespace standin
