// What a compiled kernel and the runtime say to each other: plain C, shared by both sides.
#pragma once
#include <cstddef>
#include <cstdint>

struct alignas(64) SimtShared {  // 64 bytes, so that a section full of them is an array: one __shared__ variable of a kernel, and the guard that follows it in memory
  const char* name;
  void* address;
  size_t size, row, plane, element;  // bytes: of a[..][..][..], of a[0], of a[0][0], and of the innermost element
  void* guard;
};
enum { SIMT_GUARD = 512 };  // bytes: a multiple of all 32 banks, so that the guards move no bank

struct SimtModule {         // where a compiled module keeps its variables
  char *low, *high;         // the module's memory: code, constants, __device__ variables
  char *shared, *shared_end;
  const SimtShared *variables, *variables_end;
  const SimtShared *globals, *globals_end;  // __device__ variables
};

enum SimtWarpKind {
  SIMT_SHUFFLE, SIMT_BALLOT, SIMT_MATCH_ANY, SIMT_MATCH_ALL,
  SIMT_ADD, SIMT_MIN, SIMT_MAX, SIMT_AND, SIMT_OR, SIMT_XOR  // of 32 bits without a sign
};

extern "C" {
int simt_launch(const SimtModule*, const unsigned* grid_and_block, size_t dynamic_shared, int cooperative,
                unsigned long long schedule, void (*kernel)(void*), void* arguments);
int simt_loop(void (*function)(void*), void* arguments);  // a function that may loop without end, or divide by 0
void simt_progress();  // it does not, so far
void simt_barrier(int line);
int simt_barrier_count(int predicate, int line);  // how many threads of the block came with a true predicate
void simt_grid_barrier(int line);
uint64_t simt_warp(unsigned mask, uint64_t value, int source, int kind, int line);
void simt_fence();
void simt_spin(int line);
void simt_atomic_begin(const volatile void* address, size_t size, int compares, int line);
void simt_atomic_end(int changed);
void simt_fail(const char* kind, int line, const char* text);
void* simt_dynamic_shared();
int simt_cooperative();
void simt_shared_inside(const SimtShared*);  // of a template function: known once a thread is there
unsigned simt_active_mask(int line);
long long simt_clock();
int simt_lane();
int simt_printf(const char* format, ...);
void* simt_copy(void* to, const void* from, size_t size, const void* pc);
void* simt_fill(void* to, int value, size_t size, const void* pc);
}
