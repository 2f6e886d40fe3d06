// Inside the runtime: threads as fibers, and what the scheduler and the checker know of them.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <memory>
#include <vector>

#include "abi.h"

namespace simt {

typedef uint64_t Time;  // counts accesses and synchronizations; one launch runs in one thread, so times are an order

struct Knowledge;  // order.h: what of other threads' work has happened before
void forget(Knowledge*);
struct Forget {
  void operator()(Knowledge* k) const { forget(k); }
};

enum State { READY, AT_BARRIER, AT_WARP, AT_MASK, AT_GRID, DONE };

enum Kind {  // of issue; report.py has the same list
  RACE = 1,
  UNINITIALIZED,
  OUT_OF_BOUNDS,
  MISALIGNED,
  ILLEGAL_ADDRESS,
  BARRIER,
  WARP,
  SPIN,
  ASSERT,
  LIMIT
};

struct Issue {
  int kind, line;          // line 0: look it up from pc
  const void *pc, *other_pc;
  int thread, block, other_thread, other_block;
  int array;               // >= 0: argument; -1 - k: shared variable k; -1000: dynamic shared memory; -2000: none
  int write, other_write, size;
  long long offset;
  char text[320];
};

struct Triple {
  unsigned x, y, z;
};

struct Fiber {
  int thread, warp, lane;  // within the block
  int block, slot;         // linear index in the grid; place among the resident blocks
  Triple thread_index, block_index;
  State state;
  int line;                // of the barrier or warp primitive it waits at
  const void* pc;          // where it was when it spun
  bool started;
  char* stack;
  ucontext_t context;
  jmp_buf resume;
  // the warp primitive in flight
  unsigned mask;
  uint64_t value, result;
  int source, kind;
  int predicate;
  // for spins
  const void* caller;      // where the kernel called what it is in
  const volatile void* place;
  int repeats;
  // for the checker
  bool atomic;             // the accesses now are those of an atomic
  Time seen[32];           // up to when the work of each lane of its warp is known
  Time fence, fence_barrier;
  std::unique_ptr<Issue> doubt;  // a plain read of what atomics change: right if an atomicCAS of the same place follows
  const volatile void* doubtful;
  std::unique_ptr<Knowledge, Forget> known;
};

enum { DYNAMIC = -1000, NOWHERE = -2000, GLOBAL = -3000, MAX_ISSUES = 16 };  // GLOBAL and below: __device__ variables

struct Counters {
  long long barriers, warp_operations, atomics, switches;
};

// the launch that runs
extern std::vector<Fiber*> fibers;  // resident ones, slot after slot
extern Fiber* current;
extern int block_threads, resident_blocks;
extern volatile int inside;  // > 0 while runtime code runs: the watchdog must not switch then
extern Counters counters;
extern bool checked;
extern std::vector<Issue> issues;
extern const SimtModule* module;
extern char *stacks, *stacks_end;
extern std::vector<char> dynamic_memory;
extern size_t dynamic_size, dynamic_stride;
enum { DYNAMIC_GUARD = 1024, STACK = 64 << 10, PAGE = 4096 };

inline Fiber& peer(int slot, int thread) { return *fibers[(size_t)slot * block_threads + thread]; }
inline char* dynamic_of(int slot) { return dynamic_memory.data() + DYNAMIC_GUARD + slot * dynamic_stride; }
void progress();                          // something happened that a spinning thread may wait for
void spin(const void* pc, int line, const void* caller = nullptr);  // let the others run
[[noreturn]] void stop(const Issue&);     // note the issue and end the launch
Issue blank(int kind, int line);

// checker.cpp: what the scheduler tells it
void check_launch();
void check_block(int slot);
void check_inside(int number, const SimtShared&);
void check_barrier(int slot);
void check_warp(int slot, int warp, unsigned lanes);
void check_grid();
void check_fence();
void check_atomic(const volatile void* address, size_t size, bool compares);
void check_doubt();                       // the current thread synchronizes or ends
void check_atomic_end(bool changed);
void check_end();

}  // namespace simt
