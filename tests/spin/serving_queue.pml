/* A model of server/rpc/serve/serving_queue.cc and of what waits in it: no interleaving of its threads loses an answer.
 *
 * Threads are processes: workers, relief threads, the stall watch, and a copier, which is no thread of the queue. What
 * the C++ does under a lock, or in one atomic operation, is one step here; anything else may come between two steps. A
 * handler may take any time in this way. Callers send their requests whenever they like.
 *
 * Compile with -DWORKERS=n, -DSTREAMS=n, -DCALLS=n, -DREQUESTS=n (on each stream). The flags that begin with a verb put
 * a fault into the model, or a load that the queue must bear; README.md says what each of them shows.
 */
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef RELIEFS
#define RELIEFS 1
#endif
#ifndef STREAMS
#define STREAMS 1
#endif
#ifndef CALLS
#define CALLS 1
#endif
#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifdef LOOKS
#define ENDED unused /* Whoever likes may start it again. */
#else
#define ENDED ended
#endif
#define EVENTS_UNTIL_IDLE 2 /* kEventsUntilIdle */
#define CALLERS (STREAMS + CALLS) /* At most 3: see Take. Streams have the first numbers. */

/* Operation: what its atomic pointer says. */
mtype = { started, awaited, complete };
/* Where a coroutine goes on. */
mtype = { at_read, at_copied, at_loop, at_told, at_written, at_written_first, at_run, at_end };
/* A relief thread. */
mtype = { unused, serves, ended };

mtype read[CALLERS] = awaited; /* Every coroutine waits for its first message. */
mtype other[CALLERS] = complete; /* A stream's write; a call's run, which no event of the queue completes. */
bool reads[CALLERS] = true; /* gRPC has the tag of `read`. */
bool writes[CALLERS]; /* gRPC has the tag of `other`. */
byte messages[CALLERS]; /* Sent by the caller and not read. */
byte answered[CALLERS];
mtype pc[CALLERS] = at_read;
bool runs[CALLERS]; /* A thread is inside the coroutine. */
bool held[CALLERS]; /* StreamServer::held_ */
bool copies[CALLERS]; /* Waits for the copier. */
bool again[CALLERS]; /* The idle work has returned true once. */

bool waiting[CALLERS]; /* ServingQueue::waiting_ */
bool idle_work[CALLERS]; /* ServingQueue::idle_work_ */
bool stalled;
byte step[WORKERS + RELIEFS]; /* Modulo 4: the watch may take a thread for stuck that is not, which is harmless. */
byte seen[WORKERS + RELIEFS];
mtype relief[RELIEFS] = unused;
bool long_event; /* An event whose handler ends only when all others are answered. */

#if CALLERS == 1
#define ANY(array) (array[0])
#define ALL_ANSWERED (answered[0] == WANTED(0))
#elif CALLERS == 2
#define ANY(array) (array[0] || array[1])
#define ALL_ANSWERED (answered[0] == WANTED(0) && answered[1] == WANTED(1))
#else
#define ANY(array) (array[0] || array[1] || array[2])
#define ALL_ANSWERED (answered[0] == WANTED(0) && answered[1] == WANTED(1) && answered[2] == WANTED(2))
#endif
#define WANTED(caller) ((caller < STREAMS) * (REQUESTS - 1) + 1)
#define WAITS_FOR_IDLE (ANY(waiting) || ANY(idle_work))
#define READ_EVENT(caller) (reads[caller] && messages[caller] > 0)

#if CALLERS == 1
#define PENDING (READ_EVENT(0) || writes[0] || long_event)
#elif CALLERS == 2
#define PENDING (READ_EVENT(0) || READ_EVENT(1) || ANY(writes) || long_event)
#else
#define PENDING (READ_EVENT(0) || READ_EVENT(1) || READ_EVENT(2) || ANY(writes) || long_event)
#endif

#ifndef LOOKS
ltl every_answer_comes { <> ALL_ANSWERED }
#endif

/* `co_await operation`: the coroutine sleeps, or goes on if the operation is complete. */
inline Await(operation) {
  atomic {
    if
    :: operation == started -> operation = awaited; runs[c] = false; on = false
    :: else
    fi
  }
}

/* Runs coroutine `c` until it sleeps. `on` and `on_queue` are variables of the thread. */
inline Resume() {
  atomic { assert(!runs[c]); runs[c] = true; on = true }
  do
  :: on && pc[c] == at_read -> /* A message was read. */
     if
     :: on_queue && c < STREAMS -> /* It is long: WorkerPool::Enter. */
        atomic { pc[c] = at_copied; runs[c] = false; copies[c] = true; on = false }
     :: pc[c] = at_copied
     fi
  :: on && pc[c] == at_copied && c < STREAMS -> /* TakeIn, Respond. */
     atomic { read[c] = started; reads[c] = true }
     if
     :: held[c] -> /* The answer before this one goes first. */
        atomic { other[c] = started; answered[c]++; writes[c] = true; pc[c] = at_written_first }
        Await(other[c])
     :: else -> held[c] = true; pc[c] = at_loop
     fi
  :: on && pc[c] == at_written_first -> pc[c] = at_loop /* The new answer is held. */
  :: on && pc[c] == at_loop ->
     if
     :: !held[c] -> pc[c] = at_read; Await(read[c])
     :: held[c] && (read[c] == complete || !on_queue) -> pc[c] = at_told
     :: else -> /* CompletionOrIdle::await_suspend, under the lock. */
        atomic {
          pc[c] = at_told;
          if
          :: read[c] == started -> read[c] = awaited; waiting[c] = true; runs[c] = false; on = false
          :: else
          fi
        }
     fi
  :: on && pc[c] == at_told -> /* CompletionOrIdle::await_resume */
     waiting[c] = false;
     if
     :: read[c] == complete -> pc[c] = at_read
     :: else ->
        atomic { other[c] = started; answered[c]++; writes[c] = true; pc[c] = at_written }
        Await(other[c])
     fi
  :: on && pc[c] == at_written -> held[c] = false; pc[c] = at_loop
  :: on && pc[c] == at_copied && c >= STREAMS -> /* A call: ModelRequest::Submit, then `co_await run->finished`. */
     atomic { other[c] = started; pc[c] = at_run }
     if
     :: on_queue -> idle_work[c] = true
     :: else -> other[c] = complete
     fi;
     Await(other[c])
  :: on && pc[c] == at_run -> atomic { answered[c]++; pc[c] = at_end; runs[c] = false; on = false }
  :: !on -> break
  od
}

/* Operation::Complete: goes on with the coroutine if it sleeps. */
inline Complete(operation) {
  atomic { sleeps = operation == awaited; operation = complete }
  if
  :: sleeps -> Resume()
  :: else
  fi
}

inline TellIdle() {
  /* WorkWhileIdle */
  atomic { works = 0; c = 0; do :: c < CALLERS -> works = works | (idle_work[c] << c); idle_work[c] = false; c++ :: else -> break od }
  c = 0;
  do
  :: c < CALLERS && (works & (1 << c)) ->
     if
     :: !again[c] -> atomic { again[c] = true; idle_work[c] = true }
     :: Complete(other[c])
     fi;
     c++
  :: c < CALLERS && !(works & (1 << c)) -> c++
  :: c == CALLERS -> break
  od;
  /* What waits is abandoned under the lock. */
  atomic {
    works = 0; c = 0;
    do
    :: c < CALLERS ->
       if
       :: waiting[c] && read[c] == awaited -> read[c] = started; works = works | (1 << c)
       :: else
       fi;
       waiting[c] = false;
       c++
    :: else -> break
    od
  }
  c = 0;
  do
  :: c < CALLERS && (works & (1 << c)) -> Resume(); c++
  :: c < CALLERS && !(works & (1 << c)) -> c++
  :: c == CALLERS -> break
  od
}

/* AsyncNext took an event: of whom, and of which operation. */
inline Take() {
  if
  :: READ_EVENT(0) -> c = 0; messages[0]--; reads[0] = false; kind = 0
  :: writes[0] -> c = 0; writes[0] = false; kind = 1
#if CALLERS > 1
  :: READ_EVENT(1) -> c = 1; messages[1]--; reads[1] = false; kind = 0
  :: writes[1] -> c = 1; writes[1] = false; kind = 1
#endif
#if CALLERS > 2
  :: READ_EVENT(2) -> c = 2; messages[2]--; reads[2] = false; kind = 0
  :: writes[2] -> c = 2; writes[2] = false; kind = 1
#endif
  :: long_event -> long_event = false; kind = 2
  fi
}

/* Worker::Step */
inline Step() {
#ifndef LOOKS
  step[me] = (step[me] + 1) % 4
#else
  skip
#endif
}

/* The rest of ServeOne, after AsyncNext. `kind` is that of Take, or 3 for TIMEOUT. */
inline Handle() {
  Step();
  if
  :: kind == 0 -> Complete(read[c]); events++
  :: kind == 1 -> Complete(other[c]); events++
  :: kind == 2 -> ALL_ANSWERED; events++
  :: kind == 3
  fi;
  if
  :: kind == 3 || events >= EVENTS_UNTIL_IDLE -> events = 0; TellIdle()
  :: else
  fi;
  Step();
  c = 0; kind = 0; works = 0; sleeps = false
}

active [WORKERS] proctype Worker() {
  byte c, kind, events, works, me;
  bool on, past, sleeps;
  bool on_queue = true;
  me = _pid;
  do
#ifdef SLEEP_UNASKED
  :: past = false;
#else
  :: past = WAITS_FOR_IDLE;
#endif
end:
     atomic {
       if
       :: PENDING -> Take()
       :: past && !PENDING -> kind = 3
       fi
     }
     Handle()
  od
}

active [RELIEFS] proctype Relief() {
  byte c, kind, events, works, me;
  bool on, past, needed, sleeps;
  bool on_queue = true;
  me = _pid;
end:
  do
  :: relief[me - WORKERS] == serves ->
     events = 0;
     do
     :: needed = stalled;
#ifndef LOST_WAKEUP
        if
        :: !needed -> needed = WAITS_FOR_IDLE
        :: else
        fi;
#endif
        if
        :: !needed -> break
        :: else
        fi;
        past = WAITS_FOR_IDLE; /* It decides only how long AsyncNext waits. */
        atomic {
          if
          :: PENDING -> Take()
          :: else -> kind = 3
          fi
        }
        Handle()
     od;
     relief[me - WORKERS] = ENDED
  od
}

#ifdef LOOKS
/* A watch that finds what it likes: a stall or none, whatever the threads do. After that many looks it finds none. */
active proctype Watch() {
  byte thread, looks;
  do
  :: looks < LOOKS -> stalled = !stalled; looks++
  :: stalled ->
     atomic {
       select(thread : 0 .. RELIEFS - 1);
       if
       :: relief[thread] == unused -> relief[thread] = serves
       :: else
       fi
     }
  :: looks == LOOKS -> break
  od;
  stalled = false
}
#else
/* StallWatch, RelieveIfStalled */
active proctype Watch() {
  byte thread;
  bool all, any;
  do
  :: thread = 0;
     do
     :: thread < RELIEFS ->
        if
        :: relief[thread] == ended -> relief[thread] = unused
        :: else
        fi;
        thread++
     :: else -> break
     od;
     all = true; any = false;
     thread = 0;
     do
     :: thread < WORKERS ->
        atomic {
          any = any || (step[thread] == seen[thread] && step[thread] % 2 == 1);
          all = all && step[thread] == seen[thread] && step[thread] % 2 == 1;
          seen[thread] = step[thread];
          thread++
        }
     :: else -> break
     od;
     all = all || (any && WAITS_FOR_IDLE);
     stalled = all;
     do
     :: thread < WORKERS + RELIEFS ->
        atomic {
          if
          :: relief[thread - WORKERS] != unused ->
             all = all && step[thread] == seen[thread] && step[thread] % 2 == 1;
             seen[thread] = step[thread]
          :: else
          fi;
          thread++
        }
     :: else -> break
     od;
     thread = 0;
     do
     :: all && thread < RELIEFS && relief[thread] == unused -> relief[thread] = serves; all = false
     :: all && thread < RELIEFS && relief[thread] != unused -> thread++
     :: !all || thread == RELIEFS -> break
     od
  od
}
#endif

/* WorkerPool */
active proctype Copier() {
  byte c;
  bool on;
  bool on_queue = false;
end:
  do
  :: atomic { copies[0] -> copies[0] = false; c = 0 } Resume()
#if STREAMS > 1
  :: atomic { copies[1] -> copies[1] = false; c = 1 } Resume()
#endif
  od
}

active proctype Callers() {
  byte sent[CALLERS];
#ifdef LONG_EVENT
  long_event = true;
#endif
  do
  :: sent[0] < WANTED(0) -> atomic { sent[0]++; messages[0]++ }
#if CALLERS > 1
  :: sent[1] < WANTED(1) -> atomic { sent[1]++; messages[1]++ }
#endif
#if CALLERS > 2
  :: sent[2] < WANTED(2) -> atomic { sent[2]++; messages[2]++ }
#endif
  :: else -> break
  od;
  ALL_ANSWERED /* No end: here the search finds a caller whose answer is lost. */
}
