#pragma once

#include "kernel-info.h"

namespace lockstep {

// The kernels of this build in the order of kernel-names.inc, with host code. A GPU takes names, arguments, `check` and `items` of
// it, and the code from an image of device.cu, whose entry points are called lockstep_<name>.
const lockstep_kernel_table* builtin_kernels();

}  // namespace lockstep
