// kind: barrier
// launch: 2 32
// says: needs a cooperative launch
#include <cooperative_groups.h>
extern "C" __global__ void k(const float* x, float* y, int n) {
  cooperative_groups::this_grid().sync();  // <-
}
