// launch: 2 64
__device__ int place_of(int* counter) {  // one atomic for all lanes that come together
  unsigned here = __activemask();
  int leader = __ffs(here) - 1, lane = threadIdx.x % 32, first;
  if (lane == leader) first = atomicAdd(counter, __popc(here));
  first = __shfl_sync(here, first, leader);
  return first + __popc(here & ((1u << lane) - 1));
}
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float kept[64];
  __shared__ int count;
  int t = threadIdx.x;
  if (t == 0) count = 0;
  __syncthreads();
  for (int i = blockIdx.x * 64 + t; i < n; i += 128)
    if (x[i] > 0.f) kept[place_of(&count)] = x[i];
    else atomicAdd(&y[0], x[i]);
  __syncthreads();
  if (t < count) atomicAdd(&y[0], kept[t]);
}
