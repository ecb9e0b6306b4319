// Package e2e holds the tests that drive the local stack from end to end: real
// processes of the functions behind both kinds of gateway, real uploads, and
// what is stored, announced and logged after them.
//
// TestAttacks tries everything that must be refused. TestFaultTable makes
// every call of the functions fail; FAULTS.md is what it sees.
package e2e
