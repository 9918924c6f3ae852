/* no_threads is preloaded into a process, which gets no thread any more once the file exists that
 * TENSORFERRY_NO_THREADS names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*Create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  const char* path = getenv("TENSORFERRY_NO_THREADS");
  if (path != NULL && access(path, F_OK) == 0) return EAGAIN;
  const Create create = (Create)dlsym(RTLD_NEXT, "pthread_create");
  return create(thread, attributes, start, argument);
}
