// kind: illegal address
// says: belongs to no array
extern "C" __global__ void k(const float* x, float* y, int n) {
  const float* p = (const float*)(long long)(n - 64);
  y[threadIdx.x] = p[threadIdx.x];  // <-
}
