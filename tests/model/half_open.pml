/* The half-open protocol of the breaker: who may probe, what becomes of their permits, and what time does.
 *
 * CALLERS ask for one of PERMITTED probes, and what they got is settled, once or by mistake twice, cancelled or lost, as
 * it happens. Time ends the wait, takes the permits of lost probes back, and ends a round that nobody hears of. Spin
 * goes through every order in which all of them can take turns.
 *
 *   safety      never more probes under way, or in a round, than are permitted; the count of permits is that of those
 *               who hold one; what belongs to an earlier round, or was lost, changes nothing; it closes only on a round
 *               of passed probes
 *   never_wedged    it does not stay half-open for ever, whatever probes do
 *
 * tests/test_half_open_model.py runs it, and again with each DEFECT, all of which must be found:
 *
 *   1   the look at the count and the taking of a permit are two steps
 *   2   a cancelled probe keeps its permit, and time takes none back
 *   3   a result counts in whatever round it arrives
 *   4   a lost probe that comes back gives a permit back, which is another's by now
 *   5   who settles twice gives back two
 *   6   silence ends no round
 */

#ifndef DEFECT
#define DEFECT 0
#endif
#define CALLERS 3
#ifndef PERMITTED
#define PERMITTED 2
#endif

mtype = { OPEN, HALF_OPEN, CLOSED };

mtype state = OPEN;
byte permits = 0;           /* out, as the machine counts them */
byte done = 0;              /* results of this round */
bool failed = false;        /* one of them was bad */
bool waiting = false;       /* silence will end this round: decide_by is set */
bool holds[CALLERS];        /* this caller has one of the permits */
bool current[CALLERS];      /* its ticket is of this round: the generations are equal */
byte cancellations = 1;     /* each frees a permit, so without end they could go on for ever, as users may */

#define HOLDERS (holds[0] + holds[1] + holds[2])
#define ROOM (state == HALF_OPEN && done + permits < PERMITTED)

inline move(next) {
    state = next;
    permits = 0; done = 0; failed = false; waiting = false;
    holds[0] = false; holds[1] = false; holds[2] = false;
    current[0] = false; current[1] = false; current[2] = false
}

inline check() {
    assert(permits == HOLDERS);
    assert(done + permits <= PERMITTED)
}

inline take(me) {
    permits++;
    holds[me] = true;
    current[me] = true;
    waiting = true;
    check()
}

/* Its permit goes back, if it still has it; `mine` tells. */
inline give_back(me) {
    mine = current[me] && holds[me];
    if
    :: mine -> holds[me] = false; permits--
#if DEFECT == 4
    :: !mine && current[me] && permits > 0 -> permits--
#elif DEFECT == 5
    :: !mine && twice && permits > 0 -> permits--
#endif
    :: else -> skip
    fi;
    check()
}

inline settle(me, bad) {
    give_back(me);
    if
#if DEFECT == 3
    :: state == HALF_OPEN && !twice ->
#else
    :: mine ->
#endif
        assert(current[me]);
        done++;
        failed = failed || bad;
        waiting = permits > 0;
        if
        :: failed -> move(OPEN)
        :: !failed && done == PERMITTED -> move(CLOSED)
        :: else -> skip
        fi
    :: else -> skip         /* late: counted apart */
    fi
}

proctype Caller(byte me) {
    bool bad, mine, twice;
    do
#if DEFECT == 1
    :: atomic { ROOM }
       atomic { if :: state == HALF_OPEN -> take(me) :: else -> goto over fi };
#else
    :: atomic { ROOM -> take(me) };
#endif
       if
       :: bad = false
       :: bad = true
       :: goto lost
       :: atomic { cancellations > 0 -> cancellations--; goto cancelled }
       fi;
       atomic { settle(me, bad) };
       if
       :: atomic { twice = true; settle(me, bad); twice = false }
       :: skip
       fi;
       goto over;
cancelled:
#if DEFECT == 2
       skip;
#else
       atomic { give_back(me); waiting = waiting && permits > 0 };
#endif
       goto over;
lost:
       /* It hangs until somebody takes its permit away; then its result comes after all. */
       atomic { !(current[me] && holds[me]) };
       atomic { settle(me, bad) };
over:
       skip
    od
}

proctype Wait() {
    do
    :: atomic { state == OPEN -> move(HALF_OPEN) }
    :: atomic { state == CLOSED -> move(OPEN) }     /* the next outage */
    od
}

#if DEFECT != 2
proctype Probe_timeout() {
    byte who;
    do
    :: atomic {
        permits > 0 ->
        if
        :: holds[0] -> who = 0
        :: holds[1] -> who = 1
        :: holds[2] -> who = 2
        fi;
        holds[who] = false;
        permits--;
        check()
       }
    od
}
#endif

#if DEFECT != 2 && DEFECT != 6
proctype Silence() {
    do
    :: atomic { state == HALF_OPEN && waiting -> move(OPEN) }
    od
}
#endif

init {
    atomic {
        run Caller(0);
        run Caller(1);
        run Caller(2);
        run Wait();
#if DEFECT != 2
        run Probe_timeout();
#endif
#if DEFECT != 2 && DEFECT != 6
        run Silence()
#endif
    }
}

ltl never_wedged { [] <> (state != HALF_OPEN) }
