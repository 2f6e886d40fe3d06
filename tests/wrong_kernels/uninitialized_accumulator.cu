// kind: uninitialized
// says: reads sum of shared memory, which no thread of this block has written
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float sum[1];
  atomicAdd(sum, x[threadIdx.x]);  // <-
  __syncthreads();
  y[threadIdx.x] = sum[0];
}
