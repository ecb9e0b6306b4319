// Package ram is the access control of the local stack: which
// credentials exist, and what their RAM policies let them do.
//
// The STS stand-in adds credentials to a Store and the OSS stand-in looks them
// up, so a call is judged by the same policies that the role and the session
// were given, as Resource Access Management does it.
//
// It promises the rules of "Policy structure and syntax" and "Policy
// evaluation process" of the RAM documentation, as far as uploads need them:
// a Deny beats an Allow, and what no statement allows is denied.
//
// It refuses what it cannot judge: a policy with an element it does not know
// (NotAction, Principal) does not parse, and a statement with a Condition other
// than on acs:SecureTransport or oss:Prefix never allows and always denies. A policy that works here may therefore allow more
// in the cloud, never less.
package ram
