#pragma once

// What a CUDA or HIP installation's headers would declare of what the kernels use, for plain clang without one.

#define __device__ __attribute__((device))
#define __global__ __attribute__((global))

namespace {

struct Dimension {
  unsigned x;
};

}  // namespace

#ifdef __HIP__
// gridDim of the packet that dispatched the kernel counts threads.
#define blockIdx (Dimension{(unsigned)__builtin_amdgcn_workgroup_id_x()})
#define threadIdx (Dimension{(unsigned)__builtin_amdgcn_workitem_id_x()})
#define blockDim (Dimension{(unsigned)__builtin_amdgcn_workgroup_size_x()})
#define gridDim (Dimension{(unsigned)__builtin_amdgcn_grid_size_x() / __builtin_amdgcn_workgroup_size_x()})
#else
#define blockIdx (Dimension{(unsigned)__nvvm_read_ptx_sreg_ctaid_x()})
#define threadIdx (Dimension{(unsigned)__nvvm_read_ptx_sreg_tid_x()})
#define blockDim (Dimension{(unsigned)__nvvm_read_ptx_sreg_ntid_x()})
#define gridDim (Dimension{(unsigned)__nvvm_read_ptx_sreg_nctaid_x()})
#endif
