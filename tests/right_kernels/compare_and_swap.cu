// launch: 2 64
__device__ float add(float* address, float value) {  // as CUDA's guide does for types without an atomicAdd
  int *bits = (int*)address, old = *bits, assumed;
  do {
    assumed = old;
    old = atomicCAS(bits, assumed, __float_as_int(__int_as_float(assumed) + value));
  } while (assumed != old);
  return __int_as_float(old);
}
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ double sum;
  if (threadIdx.x == 0) sum = 0.;
  __syncthreads();
  for (int i = blockIdx.x * 64 + threadIdx.x; i < n; i += 128) {
    if (i % 2) {
      add(&y[0], x[i]);
      continue;
    }
    unsigned long long *bits = (unsigned long long*)&sum, old = *bits, assumed;
    do {
      assumed = old;
      old = atomicCAS(bits, assumed, __double_as_longlong(__longlong_as_double(assumed) + x[i]));
    } while (assumed != old);
  }
  __syncthreads();
  if (threadIdx.x == 0) add(&y[0], (float)sum);
}
