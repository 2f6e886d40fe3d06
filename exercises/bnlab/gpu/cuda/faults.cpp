// A timer of this thread's CPU time interrupts a fiber that does not come back by itself, so that others run (a loop
// that waits for a variable needs that); after some seconds without progress, or when a block takes too long, the launch
// ends, and so it does for Ctrl-C. A segmentation fault in a kernel becomes an issue with its line. All of it only while
// a kernel runs, only in its thread.
#include "faults.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace simt {

enum { TICK = 5000000 };  // nanoseconds of CPU time
static struct sigaction old_fault, old_bus, old_division, old_tick, old_interrupt;
static volatile sig_atomic_t interrupted;
static stack_t old_stack;
static timer_t timer;
static bool ticking;
static pthread_t owner;
static Fiber* last_seen;
static long last_switch;
static char signal_stack[64 << 10];
static double patience = 3, since, block_since, now;  // seconds of CPU time; `now` moves with the ticks
static int tick_signal() { return SIGRTMIN + 9; }

static double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

void patience_restart() { since = now; }
void patience_of_block() { block_since = now; }
bool patience_ended(bool many) { return now - since > patience || now - block_since > (many ? 6 : 2) * patience; }

static const void* counter_of(void* context) {
  auto& machine = ((ucontext_t*)context)->uc_mcontext;
#if defined(__x86_64__)
  return (const void*)(machine.gregs[REG_RIP] + 1);  // the checker's addresses are return addresses: one past
#elif defined(__aarch64__)
  return (const void*)(machine.pc + 1);
#else
  return nullptr;
#endif
}

// The nearest address of the kernel's code on the stack: where it called what it is in, the C library's sin for example.
static const void* caller_of(void* context) {
  auto& machine = ((ucontext_t*)context)->uc_mcontext;
#if defined(__x86_64__)
  char** top = (char**)machine.gregs[REG_RSP];
#elif defined(__aarch64__)
  char** top = (char**)machine.sp;
#else
  char** top = nullptr;
#endif
  char* const* end = (char* const*)(current->stack + STACK);
  if ((char*)top < current->stack && (char*)top >= current->stack - PAGE) top = (char**)current->stack;  // it is full
  if ((char*)top < current->stack || (uintptr_t)top % sizeof(char*)) return nullptr;
  for (int k = 0; k < 1024 && top < end; ++k, ++top)
    if (*top >= module->low && *top < module->shared) return *top;
  return nullptr;
}

static bool in_kernel() { return current && pthread_equal(pthread_self(), owner) && !inside; }

static void on_tick(int, siginfo_t*, void* context) {
  int saved = errno;
  now = cpu_seconds();
  if (in_kernel()) {
    if (interrupted) stop(blank(SPIN, 0));  // nobody reads it: Python's own handler comes next
    if (current == last_seen && counters.switches == last_switch) {
      inside = 1;
      spin(counter_of(context), 0, caller_of(context));  // comes back here when it is this fiber's turn again
      inside = 0;
    }
    last_seen = current, last_switch = counters.switches;
  }
  errno = saved;
}

static void on_interrupt(int) { interrupted = 1; }

static void on_fault(int number, siginfo_t* info, void* context) {
  if (!current || !pthread_equal(pthread_self(), owner)) {  // not a kernel's: as if we were not here
    sigaction(number, number == SIGSEGV ? &old_fault : number == SIGBUS ? &old_bus : &old_division, nullptr);
    return;
  }
  Issue issue = blank(ILLEGAL_ADDRESS, 0);
  issue.pc = counter_of(context), issue.other_pc = inside && current->caller ? current->caller : caller_of(context);
  char* address = (char*)info->si_addr;
  if (number == SIGFPE)
    snprintf(issue.text, sizeof issue.text, "integer division by zero, which gives anything on a GPU");
  else if (address >= current->stack - PAGE && address < current->stack)
    snprintf(issue.text, sizeof issue.text, "a thread's stack is full: its local arrays are larger than %d KB, or a function "
             "calls itself without end", STACK >> 10);
  else
    snprintf(issue.text, sizeof issue.text, "access to the address %p, which belongs to no array", (void*)address);
  stop(issue);
}

Faults::Faults() {
  owner = pthread_self();
  const char* limit = getenv("BNLAB_GPU_PATIENCE");
  patience = limit && atof(limit) > 0 ? atof(limit) : 3;
  since = block_since = now = cpu_seconds(), last_seen = nullptr, interrupted = 0;
  stack_t stack = {};
  stack.ss_sp = signal_stack, stack.ss_size = sizeof signal_stack;
  sigaltstack(&stack, &old_stack);
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  action.sa_sigaction = on_fault;
  sigaction(SIGSEGV, &action, &old_fault);
  sigaction(SIGBUS, &action, &old_bus);
  sigaction(SIGFPE, &action, &old_division);
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;  // on the fiber's own stack: it may be left and resumed
  action.sa_sigaction = on_tick;
  sigaction(tick_signal(), &action, &old_tick);
  sigaction(SIGINT, nullptr, &old_interrupt);
  if (old_interrupt.sa_handler != SIG_IGN) {
    action.sa_flags = SA_RESTART, action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, nullptr);
  }
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID, event.sigev_signo = tick_signal();
  event.sigev_notify_thread_id = syscall(SYS_gettid);
  itimerspec often = {{0, TICK}, {0, TICK}};
  ticking = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0 && timer_settime(timer, 0, &often, nullptr) == 0;
}

Faults::~Faults() {
  if (ticking) timer_delete(timer);
  sigaction(tick_signal(), &old_tick, nullptr);
  sigaction(SIGSEGV, &old_fault, nullptr);
  sigaction(SIGBUS, &old_bus, nullptr);
  sigaction(SIGFPE, &old_division, nullptr);
  sigaction(SIGINT, &old_interrupt, nullptr);
  sigaltstack(&old_stack, nullptr);
  if (interrupted) raise(SIGINT);
}

}  // namespace simt
