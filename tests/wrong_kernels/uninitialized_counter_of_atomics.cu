// kind: uninitialized
// says: reads count of shared memory
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ int count;
  if (x[threadIdx.x] > 1.5f) atomicAdd(&count, 1);  // <-
  __syncthreads();
  if (threadIdx.x == 0) y[0] = count;
}
