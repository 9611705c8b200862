#pragma once

namespace lockstep {

// Lets the other thread of a core run for a moment, in a loop that looks at memory.
inline void pause_briefly() {
#if defined(__x86_64__)
  for (int i = 0; i < 32; i++) __builtin_ia32_pause();
#elif defined(__aarch64__)
  // `yield` does nothing on most cores; this takes about as long as a pause of x86.
  for (int i = 0; i < 8; i++) __asm__ volatile("isb" ::: "memory");
#endif
}

}  // namespace lockstep
