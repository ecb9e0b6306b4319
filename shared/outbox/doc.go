// Package outbox keeps events until somebody takes them. It is a queue of
// objects beside the uploads, in the bucket that has to be there anyway: no
// database, no message service.
//
//	_ossupload/uploads/_pending/1795168860-evt_3e728abe85d3d82fcc30733e10c32d7e
//	                            due, seconds  id
//	_ossupload/uploads/_dead/evt_3e728abe85d3d82fcc30733e10c32d7e
//	_ossupload/uploads/_dead/~1795168860-evt_3e728abe85d3d82fcc30733e10c32d7e
//	                         what did not open, under its name
//
// The content is sealed: strangers may read the bucket, and nobody but us may
// queue. Nothing binds an entry to its name, so that moving and reviving one are
// copies.
//
// # Schedule
//
// An entry is due a minute after its object was stored, and then after 1, 2, 4, 8,
// 16, 32, 60, 60 … minutes, each time up to a fifth of that pause later, as its
// id decides. The times follow from the object and the id alone, not from the
// tries: whoever queues an entry or puts it off writes the first that lies ahead,
// which is one name, and writing it twice is writing it once. Only two who stand
// on both sides of such a time, by their clocks, write two, and the next time is
// one again.
//
// After Config.RetryFor and at least eight tries, or when its receiver is gone
// (410), an entry moves to the dead with a line in the log. A receiver may ask to
// be left alone for up to an hour (Retry-After). A revived entry has all its tries
// before it again.
//
// # Order
//
// A run takes what is due, the earliest first, some at a time. What is delivered
// is marked, then deleted. What fails is written under its next name, then
// deleted; what dies is written among the dead, marked, then deleted. So a crash
// at any point leaves an entry once or twice, never not at all, and a second
// delivery has the id of the first. testdata/crashes.md shows each point.
//
// An entry that fails holds up no other. Its try is bounded, a run starts none
// that it could not see through, and its next time lies behind all that was due in
// that run, so that what a run did not come to is the first of the next. How much
// one run can do has a limit all the same: with a deadline of a minute and a
// receiver that lets every try time out, 48 tries.
//
// # What somebody else wrote
//
// What does not open moves to the dead as it is, whatever its name. It costs three
// calls and a line in the log, and so do a million of them. What is larger than
// anything we write stays where it is, and is not read; each run logs the first. An entry under
// another name is an entry.
//
// It imports storage for listings and for how calls fail.
package outbox
