// Package fc stands in for Function Compute 3.0 on one machine: for the
// go1 runtime that feeds a function its events, and for the two gateways that
// make events out of HTTP requests.
//
// A [Function] is a compiled binary, run as a process of its own and fed over
// the HTTP runtime API that fc-runtime-go-sdk v0.3.1 speaks, so what runs here
// is byte for byte the program that is deployed. A gateway ([NewGateway]) turns
// real HTTP requests into one of two events, the HTTP trigger's or the classic
// API gateway's, and the function's payload back into an answer.
//
// It promises that an invocation ends: with a payload, with the error that the
// function posted, with [ErrTimeout] or with [ErrExited]. It refuses what the
// real gateways refuse. Where their conduct is not documented it takes one of the
// likely ones, and a note says so with "unconfirmed (ID)", where ID names it in
// package facts: Assumptions have a gateway do otherwise.
//
// [Async] is the queue of asynchronous invocations, and a [Group] several
// instances of one function.
//
// The known gaps: instances are not started by load, so there are no cold starts;
// no initializer or pre-stop; asynchronous events do not outlive the program; a
// function that has passed its timeout is left running, since ending the
// process would take its other invocations along; and the Content-Disposition
// that default domains force is left out, because custom domains do not.
//
// The facts are those of the help centre's "Use an HTTP trigger to invoke a
// function", "HTTP triggers overview" and "API Gateway triggers" and of the
// SDK's source, as read in 2026.
package fc
