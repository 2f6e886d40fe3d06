// kind: race|uninitialized
// says: parts
// launch: 2 64
template <class T, int N> __device__ T sum_of_block(T a) {
  static __shared__ T parts[N];
  const int t = threadIdx.x;
  parts[t] = a;
  for (int o = N / 2; o > 0; o /= 2) {
    if (t < o) parts[t] += parts[t + o];  // <-
    __syncthreads();
  }
  return parts[0];
}
extern "C" __global__ void k(const float* x, float* y, int n) {
  const float sum = sum_of_block<float, 64>(x[threadIdx.x]);
  if (threadIdx.x == 0) y[blockIdx.x] = sum;
}
