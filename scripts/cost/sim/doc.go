// Package sim plays hours of uploads, event by event: clients that try again, the
// instances of the functions with their caps and cold starts, OSS and STS with what
// they take in a second, the trigger's asynchronous queue, the receiver, and the
// outbox with its worker. It is what the arithmetic of scripts/cost is held against.
//
// It has a clock of its own, and a seed decides all that is chance: one World gives
// one Result. Uploads arrive by themselves (Poisson); each wait for others is drawn
// (lognormal, with a mean as given and a 99th percentile of three times that); CPU
// time is what Durations say, stretched by the share of a core that an instance has.
//
// What it takes for granted, since no document says it:
//
//   - CPU time is stretched from its first millisecond on. A platform that gives
//     what was saved up while idle is faster.
//   - A request gets the instance that was used last, so that others end after Idle.
//   - Starts of instances that were not used come back by the minute, up to the burst.
//   - Where the account has no instance left, the one that was idle for longest ends.
//   - An event of the asynchronous queue that found no instance is tried again after
//     half a second, then after twice as long each time, as documented; nothing is
//     said of a longest pause, so that there is none here.
//   - What OSS does not take in a second is refused, and not slowed down.
//
// What it leaves out: the network's and the platform's own failures, and users who
// give up.
package sim
