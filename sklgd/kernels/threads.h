/* A pool of threads that shares out the iterations of a loop.

   OpenMP is not used, because its threads wait for each other by spinning: on a machine
   with other work, the thread that is waited for may not run, and a loop of 0.2 ms took
   8 ms. Here a thread that finds nothing to do spins for SKLGD_SPINS pauses and then
   sleeps. The caller takes iterations itself, and waits only for those that another
   thread has taken, so a thread that does not get a processor in time delays nobody.
   `benchmarks/threads.py` measures both: idle processors and busy ones.

   Threads and the locks that they sleep on are Python's (pythread.h), which has them on
   every platform; no function here needs the GIL. The ticket holds the number of the
   loop in its upper half, and how many of its iterations nobody has taken yet in its
   lower half. A thread takes one by replacing the ticket by one with an iteration less,
   which fails if the ticket has changed meanwhile. */

#ifndef SKLGD_THREADS_H
#define SKLGD_THREADS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <Python.h>
#include <pythread.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <time.h>
#endif

/* Sequentially consistent operations on 64-bit integers. */
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
typedef volatile __int64 sklgd_shared;
#define sklgd_load(x) _InterlockedOr64((x), 0)
#define sklgd_store(x, v) ((void) _InterlockedExchange64((x), (v)))
#define sklgd_exchange(x, v) _InterlockedExchange64((x), (v))
#define sklgd_add(x, v) (_InterlockedExchangeAdd64((x), (v)) + (v))
static __inline int sklgd_replace(sklgd_shared *x, __int64 old, __int64 v) {
    return _InterlockedCompareExchange64(x, v, old) == old;
}
#define sklgd_pause() YieldProcessor()
#else
typedef int64_t sklgd_shared;
#define sklgd_load(x) __atomic_load_n((x), __ATOMIC_SEQ_CST)
#define sklgd_store(x, v) __atomic_store_n((x), (v), __ATOMIC_SEQ_CST)
#define sklgd_exchange(x, v) __atomic_exchange_n((x), (v), __ATOMIC_SEQ_CST)
#define sklgd_add(x, v) __atomic_add_fetch((x), (v), __ATOMIC_SEQ_CST)
static inline int sklgd_replace(sklgd_shared *x, int64_t old, int64_t v) {
    return __atomic_compare_exchange_n(
        x, &old, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
#if defined(__x86_64__) || defined(__i386__)
#define sklgd_pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define sklgd_pause() __asm__ __volatile__("yield")
#else
#define sklgd_pause() ((void) 0)
#endif
#endif

typedef void (*sklgd_body)(void *arguments, ptrdiff_t i, int thread);

#define SKLGD_MAX_THREADS 256
/* Pauses before a thread sleeps: 10 to 40 us on x86. Waking a thread costs its caller
   2 us, and the thread runs 5 to 50 us later. */
#define SKLGD_SPINS 1000
/* A thread that is taken off its processor in the middle of an iteration makes the caller
   wait for a time slice of the system. When such waits have cost SKLGD_MAX_LOSS more than
   the threads gained, the caller runs loops alone: for SKLGD_ALONE at first, twice as
   long each next time, up to 8 times, until a loss has been regained. Nanoseconds. */
#define SKLGD_MAX_LOSS 2000000
#define SKLGD_ALONE 25000000
/* Nanoseconds after which threads that the system refused are asked for again. */
#define SKLGD_RETRY 1000000000

typedef struct {
    sklgd_shared asleep; /* 1: waits for its bell */
    PyThread_type_lock bell;
    char padding[48]; /* flags of different threads lie in cache lines of their own */
} sklgd_thread;

static struct {
    sklgd_thread threads[SKLGD_MAX_THREADS]; /* number 0 is the caller */
    sklgd_shared n_threads;                  /* the caller and the workers started */
    sklgd_shared busy;                       /* 1: a caller has the pool */
    sklgd_shared loop;                       /* number of the newest loop */
    sklgd_shared ticket, unfinished;
    /* Of the newest loop: iterations, threads that may help, function, arguments. */
    sklgd_shared size, limit, body, arguments;
    /* For the caller that has the pool: what threads have cost, net; the time until which
       it runs loops alone, and for how long it does so. */
    int64_t loss, resume, alone;
    int64_t retry; /* the time from which on it starts threads, after it could not */
} sklgd_pool;

/* Nanoseconds since some point in time. */
static int64_t sklgd_now(void) {
#ifdef _WIN32
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (int64_t) (1e9 * (double) ticks.QuadPart / (double) per_second.QuadPart);
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
#endif
}

/* Wait until `*value` is not `old`. May return too early. */
static void sklgd_wait(sklgd_thread *me, sklgd_shared *value, int64_t old) {
    int spins;
    for (spins = 0; spins < SKLGD_SPINS; spins++) {
        if (sklgd_load(value) != old) return;
        sklgd_pause();
    }
    sklgd_store(&me->asleep, 1);
    /* Who takes the flag back decides: here, that this thread stays awake; in
       `sklgd_wake`, that the bell rings. */
    if (sklgd_load(value) != old && sklgd_exchange(&me->asleep, 0) == 1) return;
    PyThread_acquire_lock(me->bell, WAIT_LOCK);
}

/* To be called after a change of what `other` may wait for. */
static void sklgd_wake(sklgd_thread *other) {
    if (sklgd_load(&other->asleep) == 1 && sklgd_exchange(&other->asleep, 0) == 1)
        PyThread_release_lock(other->bell);
}

/* Take and run iterations of this loop until nobody has to take one; returns how many. */
static int64_t sklgd_take(int64_t loop, int thread) {
    int64_t ticket, size, body, arguments, taken = 0;
    for (;;) {
        ticket = sklgd_load(&sklgd_pool.ticket);
        if (ticket >> 32 != loop || (ticket & 0xffffffff) == 0) return taken;
        if (thread >= sklgd_load(&sklgd_pool.limit)) return taken;
        /* These are the loop's own if the ticket is still valid after they were read. */
        size = sklgd_load(&sklgd_pool.size);
        body = sklgd_load(&sklgd_pool.body);
        arguments = sklgd_load(&sklgd_pool.arguments);
        if (!sklgd_replace(&sklgd_pool.ticket, ticket, ticket - 1)) continue;
        ((sklgd_body) (intptr_t) body)(
            (void *) (intptr_t) arguments, (ptrdiff_t) (size - (ticket & 0xffffffff)),
            thread);
        taken++;
        if (sklgd_add(&sklgd_pool.unfinished, -1) == 0)
            sklgd_wake(&sklgd_pool.threads[0]);
    }
}

static void sklgd_worker(void *number) {
    int thread = (int) (intptr_t) number;
    int64_t loop = 0, newest;
    for (;;) {
        newest = sklgd_load(&sklgd_pool.loop);
        if (newest == loop) {
            sklgd_wait(&sklgd_pool.threads[thread], &sklgd_pool.loop, loop);
        } else {
            loop = newest;
            sklgd_take(loop, thread);
        }
    }
}

/* Forget all threads. For the import, and for a forked process: it has none of them. */
static void sklgd_reset_pool(void) {
    memset(&sklgd_pool, 0, sizeof(sklgd_pool));
    sklgd_store(&sklgd_pool.n_threads, 1);
    sklgd_pool.alone = SKLGD_ALONE;
}

/* A lock in the state in which acquiring it waits; NULL if there is none. */
static PyThread_type_lock sklgd_new_bell(void) {
    PyThread_type_lock bell = PyThread_allocate_lock();
    if (bell != NULL) PyThread_acquire_lock(bell, WAIT_LOCK);
    return bell;
}

/* Start workers until there are `wanted` threads, as far as the system allows it. Where it
   does not, the next attempt is made some time after `now`. The caller has the pool.
   Returns how many there are. */
static int sklgd_start(int wanted, int64_t now) {
    int n = (int) sklgd_load(&sklgd_pool.n_threads);
    if (wanted > SKLGD_MAX_THREADS) wanted = SKLGD_MAX_THREADS;
    if (wanted > n && now < sklgd_pool.retry) return n;
    if (sklgd_pool.threads[0].bell == NULL
        && (sklgd_pool.threads[0].bell = sklgd_new_bell()) == NULL) return 1;
    for (; n < wanted; n++) {
        if (sklgd_pool.threads[n].bell == NULL
            && (sklgd_pool.threads[n].bell = sklgd_new_bell()) == NULL) break;
        if (PyThread_start_new_thread(sklgd_worker, (void *) (intptr_t) n)
            == PYTHREAD_INVALID_THREAD_ID) break;
        sklgd_store(&sklgd_pool.n_threads, n + 1);
    }
    if (n < wanted) sklgd_pool.retry = now + SKLGD_RETRY;
    return n < wanted ? n : wanted;
}

/* Note what a loop of n iterations has gained or lost by threads: it began at `start`, and
   the caller itself had done `own` of them by `middle`. Alone it would have needed as long
   for each of the others (iterations of one loop have about the same size). */
static void sklgd_account(
    ptrdiff_t n, int64_t own, int64_t start, int64_t middle, int64_t end
) {
    int64_t alone = own > 0 ? (middle - start) / own * n : end - start;
    sklgd_pool.loss += (end - start) - alone;
    if (sklgd_pool.loss <= 0) {
        sklgd_pool.loss = 0;
        sklgd_pool.alone = SKLGD_ALONE;
    } else if (sklgd_pool.loss > SKLGD_MAX_LOSS) {
        sklgd_pool.loss = SKLGD_MAX_LOSS / 2;
        sklgd_pool.resume = end + sklgd_pool.alone;
        if (sklgd_pool.alone < 8 * (int64_t) SKLGD_ALONE) sklgd_pool.alone *= 2;
    }
}

/* body(arguments, i, thread) for i = 0, ..., n - 1, by at most n_threads threads. */
static void sklgd_parallel_for(
    sklgd_body body, void *arguments, ptrdiff_t n, int n_threads
) {
    int64_t loop, left, own, start, middle;
    ptrdiff_t i;
    int thread, together = 0;
    if (n_threads > n) n_threads = (int) n;
    /* Where another thread of Python has the pool, or the loop is part of an iteration of
       another loop, the processors have work already. */
    if (n_threads > 1 && n < 0xffffffff && sklgd_exchange(&sklgd_pool.busy, 1) == 0) {
        start = sklgd_now();
        together = start >= sklgd_pool.resume;
        if (!together) sklgd_store(&sklgd_pool.busy, 0);
    }
    if (!together) {
        for (i = 0; i < n; i++) body(arguments, i, 0);
        return;
    }
    n_threads = sklgd_start(n_threads, start);
    loop = (sklgd_load(&sklgd_pool.loop) + 1) & 0x7fffffff;
    sklgd_store(&sklgd_pool.size, n);
    sklgd_store(&sklgd_pool.limit, n_threads);
    sklgd_store(&sklgd_pool.body, (int64_t) (intptr_t) body);
    sklgd_store(&sklgd_pool.arguments, (int64_t) (intptr_t) arguments);
    sklgd_store(&sklgd_pool.unfinished, n);
    sklgd_store(&sklgd_pool.ticket, loop << 32 | n);
    sklgd_store(&sklgd_pool.loop, loop);
    for (thread = 1; thread < n_threads; thread++)
        sklgd_wake(&sklgd_pool.threads[thread]);
    own = sklgd_take(loop, 0);
    middle = sklgd_now();
    while ((left = sklgd_load(&sklgd_pool.unfinished)) != 0)
        sklgd_wait(&sklgd_pool.threads[0], &sklgd_pool.unfinished, left);
    sklgd_account(n, own, start, middle, sklgd_now());
    sklgd_store(&sklgd_pool.busy, 0);
}

#endif
