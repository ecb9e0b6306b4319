// Package scripts holds the checks of the tree as a whole: what the functions
// may depend on, and that the deployment template names what they read. It
// exports nothing, and nothing imports it.
package scripts
