// Package hook receives the webhooks that the functions send in the local
// stack, and shows them to tests and developers.
//
// Every delivery is verified with the Standard Webhooks library and kept, each
// repetition as an entry of its own, so that a test can count what was really
// sent. One that does not verify is kept too, marked so, and answered 401. With a
// forward URL each verified delivery goes on, byte for byte, to the developer's
// own backend, whose status becomes the answer: a backend that fails makes the
// delivery fail.
//
// It refuses to forward or to sign again what did not verify.
package hook
