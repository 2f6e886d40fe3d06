// launch: 1 64
// since: sm_90
#include <cuda_bf16.h>
#include <cuda_fp16.h>
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ __half2 count;
  __shared__ __nv_bfloat162 twice;
  __shared__ int here, there;
  if (threadIdx.x == 0) {
    count = __float2half2_rn(0.f);
    twice = __float2bfloat162_rn(0.f);
    here = there = 0;
  }
  __syncthreads();
  atomicAdd(&count, __floats2half2_rn(1.f, 2.f));
  atomicAdd(&twice, __floats2bfloat162_rn(1.f, 2.f));
  atomicAdd_block(&here, 1);
  atomicMax_block(&there, threadIdx.x);
  __syncthreads();
  if (threadIdx.x != 0) return;
  const float2 a = __half22float2(count), b = __bfloat1622float2(twice);
  float sum = a.x == 64 && a.y == 128 && b.x == 64 && b.y == 128 && here == 64 && there == 63 ? 0.f : 1e9f;
  for (int i = 0; i < n; ++i) sum += x[i];
  y[0] = sum;
}
