// From an array of pointers to the arguments to a call of the kernel, and the kernel's parameters as text.
#pragma once

namespace simt {
template <class T> struct Code { static constexpr const char* text = "?"; };  // of a parameter or what it points to
#define SIMT_CODE(T, letters) \
  template <> struct Code<T> { static constexpr const char* text = letters; };
SIMT_CODE(bool, "bool") SIMT_CODE(char, "int8") SIMT_CODE(signed char, "int8") SIMT_CODE(unsigned char, "uint8")
SIMT_CODE(short, "int16") SIMT_CODE(unsigned short, "uint16") SIMT_CODE(int, "int32") SIMT_CODE(unsigned, "uint32")
SIMT_CODE(long, "int64") SIMT_CODE(unsigned long, "uint64") SIMT_CODE(long long, "int64")
SIMT_CODE(unsigned long long, "uint64") SIMT_CODE(float, "float32") SIMT_CODE(double, "float64")
SIMT_CODE(float2, "float32") SIMT_CODE(float3, "float32") SIMT_CODE(float4, "float32") SIMT_CODE(double2, "float64")
SIMT_CODE(double4, "float64") SIMT_CODE(int2, "int32") SIMT_CODE(int4, "int32") SIMT_CODE(uint2, "uint32")
SIMT_CODE(uint4, "uint32") SIMT_CODE(__half, "float16") SIMT_CODE(__nv_bfloat16, "bfloat16")
#ifdef SIMT_HALF
SIMT_CODE(__half2, "float16") SIMT_CODE(__nv_bfloat162, "bfloat16")
#endif
#undef SIMT_CODE

template <class P> struct Parameter {
  static void tell(char*& out, const char* end) { tell(out, end, "", Code<P>::text, sizeof(P)); }
  static void tell(char*& out, const char* end, const char* star, const char* code, size_t size) {
    out += snprintf(out, end - out, "%s%s:%zu ", star, code, size);
  }
};
template <class P> struct Parameter<P*> {
  static void tell(char*& out, const char* end) {
    typedef typename std::remove_cv<P>::type T;
    Parameter<int>::tell(out, end, "*", Code<T>::text, size_of<T>(0));
  }
  template <class T> static constexpr size_t size_of(char (*)[sizeof(T)]) { return sizeof(T); }
  template <class T> static constexpr size_t size_of(...) { return 1; }
};

#define SIMT_UNSEEN __attribute__((no_sanitize("thread")))  // reading the arguments is no access of the kernel
#ifdef __clang__
#if __has_feature(thread_sanitizer)
#define SIMT_COPIES  // before 15, clang++ leaves copies of structs to the sanitizer's own memcpy
#endif
#elif defined(__SANITIZE_THREAD__)
#define SIMT_COPIES  // g++ leaves what memcpy does to the library of the sanitizer
#endif
#ifdef SIMT_COPIES
#define SIMT_UNSEEN_CALL SIMT_UNSEEN __attribute__((noinline))
}  // namespace simt
extern "C" {
SIMT_UNSEEN_CALL void* memcpy(void* to, const void* from, size_t size) noexcept {
  return simt_copy(to, from, size, __builtin_return_address(0));
}
SIMT_UNSEEN_CALL void* memmove(void* to, const void* from, size_t size) noexcept {
  return simt_copy(to, from, size, __builtin_return_address(0));
}
SIMT_UNSEEN_CALL void* memset(void* to, int value, size_t size) noexcept {
  return simt_fill(to, value, size, __builtin_return_address(0));
}
}
namespace simt {
#endif
template <class... A> struct Kernel {
  void (*function)(A...);
  void** arguments;
  template <size_t... I> SIMT_UNSEEN void call(std::index_sequence<I...>) {
    function(*(typename std::decay<A>::type*)arguments[I]...);
  }
  SIMT_UNSEEN static void run(void* self) { ((Kernel*)self)->call(std::index_sequence_for<A...>()); }
};
template <class... A>
int start(void (*f)(A...), const SimtModule* module, const unsigned* dims, size_t dynamic, int cooperative,
          unsigned long long schedule, void** arguments) {
  Kernel<A...> kernel{f, arguments};
  return simt_launch(module, dims, dynamic, cooperative, schedule, Kernel<A...>::run, &kernel);
}
template <class... A> void signature(void (*)(A...), char* out, const char* end) {
  *out = 0;
  (Parameter<typename std::decay<A>::type>::tell(out, end), ...);
}
}  // namespace simt

extern "C" {
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));
}
// the two ends of the sections exist even where a module has no shared variable
__attribute__((section("simt_shared"), used, aligned(128))) static char simt_first_guard[8 * SIMT_GUARD];
__attribute__((section("simt_table"), used)) static const SimtShared simt_first_entry = {
    "", simt_first_guard, 0, 1, 1, 1, simt_first_guard};
__attribute__((section("simt_globals"), used)) static const SimtShared simt_first_global = {"", nullptr, 0, 1, 1, 1, nullptr};
extern "C" {
extern char __start_simt_shared[] __attribute__((visibility("hidden")));
extern char __stop_simt_shared[] __attribute__((visibility("hidden")));
extern const SimtShared __start_simt_table[] __attribute__((visibility("hidden")));
extern const SimtShared __stop_simt_table[] __attribute__((visibility("hidden")));
extern const SimtShared __start_simt_globals[] __attribute__((visibility("hidden")));
extern const SimtShared __stop_simt_globals[] __attribute__((visibility("hidden")));
}
static const SimtModule simt_module = {__ehdr_start,         _end,
                                       __start_simt_shared,  __stop_simt_shared,
                                       __start_simt_table,   __stop_simt_table,
                                       __start_simt_globals, __stop_simt_globals};
#define SIMT_EXPORT(number, ...)                                                                                 \
  extern "C" __attribute__((visibility("default"))) int simt_run_##number(                                       \
      const unsigned* dims, size_t dynamic, int cooperative, unsigned long long schedule, void** arguments) {    \
    return simt::start(&__VA_ARGS__, &simt_module, dims, dynamic, cooperative, schedule, arguments);                  \
  }                                                                                                              \
  extern "C" __attribute__((visibility("default"))) void simt_signature_##number(char* out, size_t size) {       \
    simt::signature(&__VA_ARGS__, out, out + size);                                                                   \
  }                                                                                                              \
  extern "C" __attribute__((visibility("default"))) const SimtModule* simt_module_##number() { return &simt_module; }
