// kind: spin
// launch: 1 1
// says: is in a loop that does not end
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = x[0];
  while (a > -3.f) a = sinf(a) + powf(a, 0.5f);  // <-
  y[0] = a;
}
