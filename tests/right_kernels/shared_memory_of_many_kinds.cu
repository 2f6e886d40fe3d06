// launch: 1 64
// shared: 512
template <class T> struct Pair { T a, b; };
extern "C" __global__ void k(const float* x, float* y, int n) {
  extern __shared__ __align__(sizeof(double)) unsigned char memory[];
  __shared__ union { float real[64]; int bits[64]; } both;
  __shared__ struct { Pair<float> halves; } box;
  __shared__ float *where, *nowhere, sum;
  volatile __shared__ float first[32], second[32];
  alignas(16) __shared__ float row[4];
  double* wide = (double*)memory;
  int t = threadIdx.x;
  both.real[t] = t < n ? x[t] : 0.f;
  if (t < 4) row[t] = 0.f;
  if (t == 0) where = &sum, nowhere = nullptr, sum = 0.f;
  __syncthreads();
  wide[t] = __int_as_float(both.bits[63 - t]);
  __syncthreads();
  if (t < 32) first[t] = (float)wide[2 * t], second[t] = (float)wide[2 * t + 1];
  __syncthreads();
  if (t == 0) {
    Pair<float> p = {0.f, 0.f};
    for (int i = 0; i < 32; ++i) p.a += first[i], p.b += second[i];
    box.halves = p;
    *where += p.a;
  }
  __syncthreads();
  if (t == 5 && !nowhere) y[0] = sum + box.halves.b + ((float4*)row)->y;
}
