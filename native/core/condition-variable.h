#pragma once

#include <condition_variable>

// libstdc++ 12 gave condition_variable::wait a second version, GLIBCXX_3.4.30, that differs in `noexcept` alone. Bound to the first
// one, the addon loads where libstdc++ is GCC 11's too. A source that waits includes this header, not <condition_variable>.
#if defined(__GLIBCXX__) && defined(__GLIBC__)
__asm__(".symver _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE,_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
#endif
